/** The headers of a record: CloudEvents 1.0 in binary mode, and our own. */
import { z } from 'zod';
import { LEAF_NONCE_BYTES, metadataSchema } from '../../schemas/envelope.ts';
import { inlineSchema, type JsonSchema } from '../../schemas/json-schema.ts';
import { HEADERS, WATERMARK_TYPE } from '../kafka/cloud-event.ts';

type Header = keyof typeof HEADERS;

const text = (description: string, more: JsonSchema = {}): JsonSchema => ({
  type: 'string',
  description,
  ...more,
});
const POSITION = '^(?:[0-9]{20}|[0-9]{40})$';
const WHOLE = '^[0-9]+$';

/** Each as UTF-8, but for the nonce. */
const described: Readonly<Record<Header, JsonSchema>> = {
  specversion: text('Version of CloudEvents.', { const: '1.0' }),
  id: text('Id of the event, a UUID: the same in every copy of it.'),
  type: text('Type of the event.'),
  source: text('Where events come from.', { const: '/plinth' }),
  subject: text('The stream: `<category>-<id>`. Also the key of the record.', { pattern: '^[^-]+-.+$' }),
  time: text('When it happened, RFC 3339. Never before the event before it in the stream.'),
  contentType: text('Of the value.', { const: 'application/json' }),
  tenant: text('Id of the tenant.'),
  streamVersion: text('The how manieth event of its stream it is, from 1: without a gap in a stream.', {
    pattern: WHOLE,
  }),
  schemaVersion: text(
    'Version of the schema of the data. A version that you do not know is a reason to wait.',
    {
      pattern: WHOLE,
    },
  ),
  position: text('Place in the log: sorts by plain comparison, and says nothing else.', {
    pattern: POSITION,
  }),
  predecessor: text(
    'Position of the record before this one in the same partition and generation. If you have not seen that one, records are missing in between. Empty: the first from the beginning of the log.',
    { pattern: `^$|${POSITION}` },
  ),
  epoch: text(
    'The history that positions belong to. Another one: the log was restored, copied or lost its end.',
    {
      format: 'uuid',
    },
  ),
  traceparent: text('W3C trace context of the request that caused the event; absent where it carried none.'),
  metadata: text('The whole metadata, as they were appended.', {
    contentMediaType: 'application/json',
    contentSchema: inlineSchema(metadataSchema, 'output'),
  }),
  nonce: text(
    `${LEAF_NONCE_BYTES} random bytes, as they are: part of what is hashed when the log is proved.`,
  ),
  timeMs: text('When it happened, in milliseconds since 1970, exactly.', { pattern: WHOLE }),
};

/** Only there where there is something to say. */
const SOMETIMES: readonly Header[] = ['time', 'tenant', 'traceparent'];
const OF_WATERMARKS: readonly Header[] = [
  'specversion',
  'id',
  'type',
  'source',
  'subject',
  'position',
  'predecessor',
  'epoch',
];

const allHeaders = Object.keys(HEADERS) as readonly Header[];

export const eventHeadersSchema: JsonSchema = headersOf(allHeaders, {});

export const watermarkHeadersSchema: JsonSchema = headersOf(OF_WATERMARKS, {
  id: text('Of this watermark alone.'),
  type: text('What it is.', { const: WATERMARK_TYPE }),
  subject: text('Id of the last event that was relayed before it, of whatever topic; empty: none yet.'),
  position: text('Everything of this partition up to here comes before this record.', { pattern: POSITION }),
});

function headersOf(names: readonly Header[], over: Partial<Record<Header, JsonSchema>>): JsonSchema {
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [HEADERS[name], over[name] ?? described[name]])),
    required: names.filter((name) => !SOMETIMES.includes(name)).map((name) => HEADERS[name]),
  };
}

/** What the headers of one type's events say of it. */
export function headersOfType(type: string, version: number): JsonSchema {
  return {
    type: 'object',
    properties: {
      [HEADERS.type]: { type: 'string', const: type },
      [HEADERS.schemaVersion]: {
        type: 'string',
        description: 'An earlier one: as the document of the release that wrote it says.',
        enum: Array.from({ length: version }, (_, before) => String(before + 1)),
      },
    },
  };
}

export const positionRecordSchema: JsonSchema = inlineSchema(
  z.object({
    generation: z.int().min(1).describe('Of the topics that stand.'),
    partitions: z.int().min(1).describe('Of each topic of events in this generation.'),
    bookmark: z.object({
      epoch: z.string(),
      position: z.string(),
      eventId: z.string().nullable(),
    }),
    last: z.record(z.string(), z.array(z.union([z.string(), z.literal(0)]))),
  }),
  'output',
);
