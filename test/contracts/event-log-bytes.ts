/** Contract: what was appended comes back exactly, up to the limits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidAppend } from '../../commands/event-log.ts';
import { MAX_APPEND_BYTES, MAX_EVENT_BYTES, START } from '../../schemas/envelope.ts';
import type { EventLogContractOptions } from './event-log.ts';
import { asAppended, freshStream, newEvent } from './event-log-fixtures.ts';

export function bytesContract({ open }: EventLogContractOptions): void {
  const peculiar: Record<string, Uint8Array> = {
    'keys in an odd order, one of them twice': Buffer.from('{"b":1,"a":2,"10":3,"9":4,"a":5 }'),
    'an escaped zero': Buffer.from('{"a":"\\u0000"}'),
    'numbers past 2^53': Buffer.from('{"a":9007199254740993,"b":1e400,"c":0.10000000000000000555}'),
    'characters outside the first plane': Buffer.from('{"ключ":"𝒳\u2028"}'),
    'a lone surrogate, escaped': Buffer.from('{"a":"\\ud800"}'),
    'bytes that are no UTF-8': Uint8Array.of(0xff, 0xfe, 0x00, 0x80, 0x5c, 0x78, 0x27, 0x0a),
    nothing: new Uint8Array(0),
  };
  for (const [what, bytes] of Object.entries(peculiar)) {
    test(`data and metadata with ${what} come back as they were`, async (t) => {
      const { log } = await open(t);
      const stream = freshStream();
      const events = [newEvent({ data: bytes }), newEvent({ metadata: bytes })];
      await log.append(stream, 0, events);
      const read = await log.readStream(stream);
      assert.deepEqual(read.map(asAppended), events.map(asAppended));
      assert.deepEqual((await log.readAll(START, 10)).events.map(asAppended), events.map(asAppended));
    });
  }

  test('any bytes, types, times and nonces come back as they were', async (t) => {
    const { log } = await open(t);
    const event = fc.record({
      type: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((s) => !s.includes('\0')),
      schemaVersion: fc.integer({ min: 1, max: 1000 }),
      timeMs: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      nonce: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      data: fc.uint8Array({ maxLength: 300 }),
      metadata: fc.uint8Array({ maxLength: 50 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 5 }), async (parts) => {
        const stream = freshStream();
        const events = parts.map((part) => newEvent(part));
        await log.append(stream, 0, events);
        assert.deepEqual((await log.readStream(stream)).map(asAppended), events.map(asAppended));
      }),
      { numRuns: 25 },
    );
  });

  test('the largest legal event is taken, one byte more is refused with the limit named', async (t) => {
    const { log } = await open(t);
    const stream = freshStream();
    const small = newEvent();
    const room = MAX_EVENT_BYTES - small.type.length - small.metadata.length;
    const largest = newEvent({ data: Buffer.alloc(room, 0x7f) });
    await log.append(stream, 0, [largest]);
    assert.deepEqual((await log.readStream(stream)).map(asAppended), [asAppended(largest)]);

    const larger = newEvent({ data: Buffer.alloc(room + 1) });
    await assert.rejects(log.append(stream, 1, [larger]), (error) => {
      assert.ok(error instanceof InvalidAppend);
      assert.equal(error.reason, 'event_too_large');
      assert.match(error.message, new RegExp(`${MAX_EVENT_BYTES} bytes`));
      return true;
    });
  });

  test('the largest legal append is taken, one byte more is refused with the limit named', async (t) => {
    const { log } = await open(t);
    const stream = freshStream();
    const small = newEvent();
    const overhead = small.type.length + small.metadata.length;
    const data = (bytes: number) => newEvent({ data: Buffer.alloc(bytes - overhead, 0x2a) });
    const quarter = MAX_APPEND_BYTES / 4;
    const largest = [data(quarter), data(quarter), data(quarter), data(quarter)];
    await log.append(stream, 0, largest);
    assert.deepEqual((await log.readStream(stream)).map(asAppended), largest.map(asAppended));

    const larger = [data(quarter), data(quarter), data(quarter), data(quarter + 1)];
    await assert.rejects(log.append(stream, 4, larger), (error) => {
      assert.ok(error instanceof InvalidAppend);
      assert.equal(error.reason, 'append_too_large');
      assert.match(error.message, new RegExp(`${MAX_APPEND_BYTES} bytes`));
      return true;
    });
  });

  test('many large appends at once all arrive', async (t) => {
    const { log } = await open(t);
    const streams = Array.from({ length: 12 }, () => freshStream());
    const data = Buffer.alloc(MAX_EVENT_BYTES - 1024, 0x31);
    await Promise.all(streams.map((stream) => log.append(stream, 0, [newEvent({ data })])));
    for (const stream of streams) {
      const [event] = await log.readStream(stream);
      assert.equal(event!.data.length, data.length);
    }
  });
}
