/** Every message of the document: one a type of event, the watermark, and what the relay keeps for itself. */
import { eventCatalogue } from '../../schemas/events/catalogue.ts';
import type { EventDefinition } from '../../schemas/events/definition.ts';
import { eventSchema } from '../../schemas/events/event-schema.ts';
import type { JsonSchema } from '../../schemas/json-schema.ts';
import { WATERMARK_TYPE } from '../kafka/cloud-event.ts';
import { MARKER_KEY, RECORD_KEY } from '../kafka/position-topic.ts';
import {
  eventHeadersSchema,
  headersOfType,
  positionRecordSchema,
  watermarkHeadersSchema,
} from './headers.ts';
import { logForm, sealedFieldSchema } from './log-form.ts';

const SCHEMAS = '#/components/schemas/';
const KAFKA = { bindingVersion: '0.5.0' } as const;
export const RECORD_MESSAGE = 'relay.record';
export const MARKER_MESSAGE = 'relay.marker';

export function schemasOf(): Record<string, JsonSchema> {
  return {
    SealedField: sealedFieldSchema,
    EventHeaders: eventHeadersSchema,
    WatermarkHeaders: watermarkHeadersSchema,
    RelayRecord: positionRecordSchema,
    ...Object.fromEntries(
      [...eventCatalogue].map(([type, definition]) => [
        type,
        logForm(eventSchema(definition), `${SCHEMAS}SealedField`),
      ]),
    ),
  };
}

export function messagesOf(): Record<string, JsonSchema> {
  return {
    ...Object.fromEntries(
      [...eventCatalogue].map(([type, definition]) => [type, eventMessage(type, definition)]),
    ),
    [WATERMARK_TYPE]: {
      name: WATERMARK_TYPE,
      title: 'Watermark',
      summary: 'No event: it says how far this partition is.',
      description:
        'Within 50 ms of any event in any topic, every partition gets one. A partition in which nothing happens is told from one that lags by it. It has neither key nor value.',
      headers: { $ref: `${SCHEMAS}WatermarkHeaders` },
      payload: { type: 'null' },
      bindings: { kafka: { key: { type: 'null' }, ...KAFKA } },
    },
    [RECORD_MESSAGE]: {
      name: RECORD_MESSAGE,
      title: 'Where the relay stands',
      summary: 'Written with each batch, in its transaction.',
      contentType: 'application/json',
      payload: { $ref: `${SCHEMAS}RelayRecord` },
      bindings: { kafka: { key: { type: 'string', const: RECORD_KEY }, ...KAFKA } },
      'x-internal': true,
    },
    [MARKER_MESSAGE]: {
      name: MARKER_MESSAGE,
      title: 'A relay has taken over',
      summary: 'Written by a relay that starts, for itself to read back.',
      contentType: 'text/plain',
      payload: { type: 'string' },
      bindings: { kafka: { key: { type: 'string', const: MARKER_KEY }, ...KAFKA } },
      'x-internal': true,
    },
  };
}

function eventMessage(type: string, definition: EventDefinition): JsonSchema {
  const { description } = definition.schema;
  return {
    name: type,
    title: type,
    ...(description === undefined ? {} : { summary: description }),
    contentType: 'application/json',
    headers: {
      allOf: [{ $ref: `${SCHEMAS}EventHeaders` }, headersOfType(type, definition.version)],
    },
    payload: { $ref: SCHEMAS + type },
    bindings: {
      kafka: { key: { type: 'string', description: 'The stream, as in `ce_subject`.' }, ...KAFKA },
    },
    'x-schema-version': definition.version,
  };
}
