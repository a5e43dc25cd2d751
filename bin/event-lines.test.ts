import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Codec, NewerSchemaVersion, UndecodableEvent } from '../commands/codec.ts';
import type { Epoch, EventId, Position, Recorded, StreamId } from '../schemas/envelope.ts';
import { plainCodec } from '../test/simulation/plain-codec.ts';
import { eventLine } from './event-lines.ts';

const EPOCH = '00000000-0000-4000-8000-000000000001' as Epoch;
const position = '00000000000000000007' as Position;
const recorded: Recorded = {
  id: '00000000-0000-4000-8000-000000000007' as EventId,
  type: 'key.renamed',
  schemaVersion: 3,
  timeMs: 0,
  nonce: new Uint8Array(16),
  data: Buffer.from('{"name":"Alice"}'),
  metadata: Buffer.from('{"actor":"key_a"}'),
  stream: 'key-key_a' as StreamId,
  version: 2,
  position,
};
const place = `${position}  1970-01-01T00:00:00.000Z  key-key_a@2  key.renamed`;

function failing(decode: Error, decodePublic: Error): Pick<Codec, 'decode' | 'decodePublic'> {
  return {
    decode: () => Promise.reject(decode),
    decodePublic: () => {
      throw decodePublic;
    },
  };
}

test('an event is told in the clear, and in public where a personal field does not open', async () => {
  const { text, json } = await eventLine(plainCodec, recorded, EPOCH);
  assert.equal(text, `${place}  key_a  {"name":"Alice"}`);
  assert.equal((json as { position: string }).position, `${EPOCH}.${position}`);
  const { decodePublic } = plainCodec;
  const damaged = { decode: () => Promise.reject(new Error('a field does not open')), decodePublic };
  assert.equal((await eventLine(damaged, recorded, EPOCH)).text, text);
});

test('one that cannot be read is told by where it is, its type, its id and why, without its data', async () => {
  const broken = new UndecodableEvent(recorded, 'data does not fit the schema');
  const { text, json } = await eventLine(failing(broken, broken), recorded, EPOCH);
  assert.ok(text.startsWith(`${place}  cannot be read (UndecodableEvent: `), text);
  assert.ok(text.endsWith(`data does not fit the schema)  id ${recorded.id}`), text);
  assert.ok(!text.includes('Alice'));
  const { unreadable, ...rest } = json as { unreadable: string };
  assert.match(unreadable, /does not fit the schema/);
  assert.deepEqual(rest, {
    ...{ position: `${EPOCH}.${position}`, time: '1970-01-01T00:00:00.000Z', id: recorded.id },
    ...{ type: 'key.renamed', schemaVersion: 3, stream: 'key-key_a', version: 2 },
  });
  const newer = new NewerSchemaVersion(recorded, 'schema version 3');
  const told = await eventLine(failing(newer, newer), recorded, EPOCH);
  assert.match(told.text, /cannot be read \(a newer release has written it\)/);
});
