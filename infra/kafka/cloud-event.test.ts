import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KafkaMessage } from 'kafkajs';
import type { Epoch, Position, Recorded } from '../../schemas/envelope.ts';
import { freshStream, newEvent } from '../../test/contracts/event-log-fixtures.ts';
import { messageOf, NotOurs, relayedOf } from './cloud-event.ts';

const EPOCH = '0f8fad5b-d9cb-469f-a165-70867728950e' as Epoch;
const [FIRST, SECOND] = ['0'.repeat(19).concat('1'), '0'.repeat(19).concat('2')] as [Position, Position];

/** As a broker hands it out: every header a buffer. */
function sent(message: ReturnType<typeof messageOf>): KafkaMessage {
  const headers = Object.fromEntries(
    Object.entries(message.headers ?? {}).map(([name, value]) => [name, Buffer.from(value as string)]),
  );
  const { key, value } = message;
  const record = {
    key: key === null || key === undefined ? null : Buffer.from(key as string),
    value: value as Buffer | null,
    headers,
    offset: '7',
    timestamp: '0',
    attributes: 0,
  };
  return record as KafkaMessage;
}

function recorded(over: Partial<Recorded> = {}): Recorded {
  return { ...newEvent(), stream: freshStream('key'), version: 3, position: SECOND, ...over };
}

test('an event comes back as it was appended, whatever its bytes', () => {
  fc.assert(
    fc.property(
      fc.record({
        type: fc.string({ minLength: 1, maxLength: 20 }),
        schemaVersion: fc.integer({ min: 1, max: 1000 }),
        timeMs: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        nonce: fc.uint8Array({ minLength: 16, maxLength: 16 }),
        data: fc.uint8Array({ maxLength: 300 }),
        metadata: fc.uint8Array({ maxLength: 60 }),
      }),
      (parts) => {
        fc.pre(parts.type !== 'plinth.watermark');
        const event = recorded(parts);
        const bookmark = { epoch: EPOCH, position: SECOND, eventId: event.id };
        const outgoing = { domain: 'keys', partition: 1, bookmark, predecessor: FIRST, event };
        const back = relayedOf(sent(messageOf(outgoing)));
        const { data, metadata, nonce, ...rest } = back.event!;
        const { data: d, metadata: m, nonce: n, ...expected } = event;
        assert.deepEqual(rest, expected);
        for (const [a, b] of [
          [data, d],
          [metadata, m],
          [nonce, n],
        ] as const) {
          assert.equal(Buffer.compare(a, b), 0);
        }
        assert.deepEqual([back.bookmark, back.predecessor, back.offset], [bookmark, FIRST, '7']);
      },
    ),
  );
});

test('it is a CloudEvent in binary mode, with tenant and trace context for whoever consumes it', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const event = recorded({
    metadata: Buffer.from(JSON.stringify({ tenant: 'tnt_1', traceparent })),
    timeMs: Date.parse('2026-01-02T03:04:05.678Z'),
  });
  const bookmark = { epoch: EPOCH, position: SECOND, eventId: event.id };
  const { headers, key, value } = messageOf({
    domain: 'keys',
    partition: 0,
    bookmark,
    predecessor: FIRST,
    event,
  });
  assert.equal(key, event.stream);
  assert.equal(String(value), '{"a":1}');
  const { plinth_metadata, plinth_nonce, ...text } = headers!;
  assert.deepEqual(text, {
    ce_specversion: '1.0',
    ce_id: event.id,
    ce_type: 'thing.happened',
    ce_source: '/plinth',
    ce_subject: event.stream,
    ce_time: '2026-01-02T03:04:05.678Z',
    'content-type': 'application/json',
    ce_tenant: 'tnt_1',
    ce_streamversion: '3',
    ce_schemaversion: '1',
    ce_position: SECOND,
    ce_predecessor: FIRST,
    ce_epoch: EPOCH,
    traceparent,
    plinth_time: String(event.timeMs),
  });
});

test('a trace context that an instrumentation has put in place of ours does not reach the event', () => {
  const event = recorded();
  const bookmark = { epoch: EPOCH, position: SECOND, eventId: event.id };
  const message = sent(messageOf({ domain: 'keys', partition: 0, bookmark, predecessor: FIRST, event }));
  const headers = { ...message.headers, traceparent: Buffer.from('another') };
  const tampered = { ...message, headers } as KafkaMessage;
  assert.deepEqual(relayedOf(tampered).event!.metadata, event.metadata);
});

test('a watermark carries the place of an event and nothing else', () => {
  const bookmark = { epoch: EPOCH, position: SECOND, eventId: newEvent().id };
  const outgoing = { domain: 'keys', partition: 4, bookmark, predecessor: FIRST, event: null };
  const message = messageOf(outgoing);
  assert.deepEqual([message.key, message.value, message.partition], [null, null, 4]);
  const back = relayedOf(sent(message));
  assert.deepEqual(back, { offset: '7', bookmark, predecessor: FIRST, event: null });
});

test('a record that no relay wrote is told as such', () => {
  const foreign = {
    key: null,
    value: Buffer.from('{}'),
    headers: {},
    offset: '3',
    timestamp: '0',
    attributes: 0,
  };
  assert.throws(() => relayedOf(foreign), NotOurs);
});
