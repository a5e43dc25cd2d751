import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { Ajv, type ValidateFunction } from 'ajv';
import { personalCodec } from '../../commands/personal-codec.ts';
import type { Bookmark, Epoch, EventId, Position, Recorded, StreamId } from '../../schemas/envelope.ts';
import { domainEvents, eventCatalogue } from '../../schemas/events/catalogue.ts';
import { eventSchema } from '../../schemas/events/event-schema.ts';
import { samplesOf } from '../../schemas/events/samples.ts';
import type { JsonSchema } from '../../schemas/json-schema.ts';
import { positionTopicName, topicDomains, topicName } from '../../schemas/topics.ts';
import { memoryDataKeys, memoryKeyStore, testMasterKey } from '../../test/engines/memory-data-keys.ts';
import { fakeClock } from '../../test/support/fake-clock.ts';
import { messageOf, WATERMARK_TYPE } from '../kafka/cloud-event.ts';
import { markerMessage, recordMessage } from '../kafka/position-topic.ts';
import { VERSION } from '../platform/version.ts';
import { systemRandom } from '../system-clock.ts';
import { COMMITTED, documentText } from './current-document.ts';
import { asyncApiDocument } from './document.ts';

const document = asyncApiDocument(VERSION);
const load = createRequire(import.meta.url);

/** Formats are words here; what they say is tested where values are made. */
const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema(document, 'document');

function demand(valid: boolean, validate: ValidateFunction, what: string): void {
  assert.ok(valid, `${what}: ${ajv.errorsText(validate.errors)}`);
}

function validatorOf(pointer: string): ValidateFunction {
  return ajv.compile({ $ref: `document#${pointer}` });
}

const textOf = (value: unknown): string => (Buffer.isBuffer(value) ? value.toString() : String(value));
const headersOf = (message: ReturnType<typeof messageOf>): Record<string, string> =>
  Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, textOf(value)]));

const bookmark: Bookmark = {
  epoch: '0f8fad5b-d9cb-469f-a165-70867728950e' as Epoch,
  position: '2'.padStart(20, '0') as Position,
  eventId: '4f0c1d2e-5a6b-5c7d-8e9f-a0b1c2d3e4f5' as EventId,
};
const predecessor = '' as Position;

test('the committed document is the one that the schemas make (npm run asyncapi)', () => {
  assert.equal(readFileSync(COMMITTED, 'utf8'), documentText());
});

test('the document is a good one by the schema of AsyncAPI 3.0, and a wrong one is told', () => {
  const specification = load('@asyncapi/specs/schemas/3.0.0-without-$id.json') as object;
  const judge = new Ajv({ strict: false, validateFormats: false }).compile(specification);
  assert.ok(judge(JSON.parse(documentText())), JSON.stringify(judge.errors));
  for (const spoil of [
    (d: JsonSchema) => delete d.info,
    (d: JsonSchema) => ((d.channels as JsonSchema).keys = { adress: 'x' }),
    (d: JsonSchema) => ((d.operations as JsonSchema)['relay-keys'] = { action: 'shout' }),
  ]) {
    const wrong = JSON.parse(documentText()) as JsonSchema;
    spoil(wrong);
    assert.equal(judge(wrong), false);
  }
});

test('every reference leads somewhere, and every component is referred to', () => {
  const referred = new Set<string>();
  const walk = (value: unknown): void => {
    if (value === null || typeof value !== 'object') return;
    const { $ref } = value as JsonSchema;
    if (typeof $ref === 'string') {
      const found = $ref
        .slice('#/'.length)
        .split('/')
        .reduce<unknown>((at, step) => (at as JsonSchema | undefined)?.[step], document);
      assert.notEqual(found, undefined, $ref);
      referred.add($ref);
    }
    for (const member of Object.values(value)) walk(member);
  };
  walk(document);
  for (const [kind, components] of Object.entries(document.components)) {
    for (const name of Object.keys(components)) {
      assert.ok(referred.has(`#/components/${kind}/${name}`), `nothing refers to ${kind}/${name}`);
    }
  }
});

test('every topic is a channel under its name, and every event that can lie in it is among its messages', () => {
  const addressOf = (channel: string) => String(document.channels[channel]!.address);
  const filled = (address: string) => address.replace('{prefix}', 'p').replace('{generation}', '7');
  for (const domain of Object.keys(topicDomains)) {
    assert.equal(filled(addressOf(domain)), topicName('p', domain, 7));
    const expected = [domainEvents[domain]!, domainEvents.projections!].flatMap(Object.keys);
    assert.deepEqual(Object.keys(document.channels[domain]!.messages as object), [
      ...expected,
      WATERMARK_TYPE,
    ]);
  }
  assert.equal(filled(addressOf('relay')), positionTopicName('p'));
  assert.equal(document.channels.relay!['x-internal'], true);
  assert.equal(Object.keys(document.channels).length, Object.keys(topicDomains).length + 1);
  // What no topic takes would halt the relay.
  const withoutTopic = Object.keys(domainEvents).filter((domain) => !(domain in topicDomains));
  assert.deepEqual(withoutTopic, ['projections']);
});

test('what the codec writes and the relay sends is what the document says, for every event', async (t) => {
  const clock = fakeClock();
  const dataKeys = memoryDataKeys({
    store: memoryKeyStore(),
    clock,
    random: systemRandom,
    master: testMasterKey,
  });
  t.after(() => dataKeys.stop());
  const codec = personalCodec({ dataKeys, clock, random: systemRandom, catalogue: eventCatalogue });
  let sealed = 0;
  for (const [type, definition] of eventCatalogue) {
    for (const [at, data] of samplesOf(eventSchema(definition)).entries()) {
      const [event] = await codec.encode([
        {
          id: bookmark.eventId!,
          type,
          data,
          timeMs: clock.now(),
          nonce: systemRandom.bytes(16),
          metadata: {
            tenant: 'tnt_00000000000000000000000000000001',
            actor: 'key_3q2Y7wAbCdEf',
            commandId: '4f0c1d2e-5a6b-5c7d-8e9f-a0b1c2d3e4f5',
            requestDigest: null,
            correlationId: 'req_1',
            causationId: null,
            traceparent: at === 0 ? '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' : null,
          },
        },
      ]);
      const recorded: Recorded = {
        ...event!,
        stream: 'key-key_3q2Y7wAbCdEf' as StreamId,
        version: 1,
        position: bookmark.position,
      };
      const message = messageOf({ domain: 'keys', partition: 0, bookmark, predecessor, event: recorded });
      const value = JSON.parse(textOf(message.value)) as JsonSchema;
      sealed += Object.keys((value.$personal ?? {}) as object).length;
      const payload = validatorOf(`/components/messages/${type}/payload`);
      demand(payload(value), payload, `${type}, sample ${at}`);
      assert.equal(payload({ ...value, unheardOf: 1 }), false, `${type} takes any field`);
      const headers = validatorOf(`/components/messages/${type}/headers`);
      demand(headers(headersOf(message)), headers, `${type}, headers`);
      assert.equal(headers({ ...headersOf(message), ce_type: 'another' }), false);
      const told = document.components.schemas.EventHeaders!.properties as object;
      for (const name of Object.keys(message.headers!)) assert.ok(name in told, `${name} is not told`);
      // Once with all there is: no header is told that is never sent.
      if (at === 0) assert.deepEqual(Object.keys(headersOf(message)).sort(), Object.keys(told).sort());
    }
  }
  assert.ok(sealed >= 10, `only ${sealed} fields were sealed`);
});

test('a personal field in the clear, or a sealed one that is none, does not fit', () => {
  const payload = validatorOf('/components/messages/key.disabled/payload');
  const field = { key: 'k', nonce: 'n'.repeat(16), ciphertext: 'c'.repeat(64), commitment: 'd'.repeat(43) };
  assert.equal(payload({ ownerId: null, $personal: { reason: field } }), true);
  assert.equal(payload({ ownerId: null, reason: null }), true);
  assert.equal(payload({ ownerId: null, reason: 'in the clear' }), false);
  assert.equal(payload({ ownerId: null, $personal: { reason: 'text' } }), false);
  assert.equal(payload({ ownerId: null, $personal: { another: field } }), false);
});

test('watermarks and the records of the relay are what the document says', () => {
  const watermark = messageOf({ domain: 'keys', partition: 3, bookmark, predecessor, event: null });
  const headers = validatorOf(`/components/messages/${WATERMARK_TYPE}/headers`);
  demand(headers(headersOf(watermark)), headers, 'watermark');
  const told = (document.components.schemas.WatermarkHeaders!.properties ?? {}) as object;
  assert.deepEqual(Object.keys(headersOf(watermark)).sort(), Object.keys(told).sort());
  assert.deepEqual([watermark.key, watermark.value], [null, null]);

  const record = recordMessage({
    generation: 1,
    partitions: 2,
    bookmark,
    last: { keys: [bookmark.position, predecessor] },
  });
  const payload = validatorOf('/components/messages/relay.record/payload');
  demand(payload(JSON.parse(textOf(record.value))), payload, 'record');
  const keyOf = (name: string) =>
    (document.components.messages[name]!.bindings as { kafka: { key: JsonSchema } }).kafka.key.const;
  assert.deepEqual([keyOf('relay.record'), keyOf('relay.marker')], [record.key, markerMessage('m').key]);
});
