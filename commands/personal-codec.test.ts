import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { systemRandom } from '../infra/system-clock.ts';
import type { EventId, NewEvent, Position, Recorded, StreamId, TenantId } from '../schemas/envelope.ts';
import { defineEvent, type EventDefinition } from '../schemas/events/definition.ts';
import { personal } from '../schemas/personal.ts';
import { memoryDataKeys } from '../test/engines/memory-data-keys.ts';
import { fakeClock } from '../test/support/fake-clock.ts';
import type { EventToEncode } from './codec.ts';
import { NewerSchemaVersion, UndecodableEvent, UnknownEventType } from './codec.ts';
import type { DataKeys, KeyLookup } from './data-keys.ts';
import type { LostField } from './decode-events.ts';
import { InvalidEvent } from './encode-events.ts';
import { SEALED } from './event-types.ts';
import { personalCodec } from './personal-codec.ts';

const TENANT = 'tnt_00000000000000000000000000000001' as TenantId;

const catalogue = new Map<string, EventDefinition>([
  [
    'noted',
    defineEvent(
      1,
      z.strictObject({
        owner: z.string().nullable(),
        text: personal(z.json(), 'owner'),
        remark: personal(z.string()),
        count: z.int(),
      }),
    ),
  ],
  ['plain', defineEvent(1, z.strictObject({ value: z.json() }))],
  [
    'lifted',
    defineEvent(2, z.strictObject({ label: personal(z.string()), size: z.int() }), [
      ({ name, ...rest }) => ({ ...rest, label: name, size: 1 }),
    ]),
  ],
]);

function event(type: string, data: unknown, id: string = crypto.randomUUID()): EventToEncode {
  return {
    id: id as EventId,
    type,
    data,
    timeMs: 1,
    nonce: new Uint8Array(16),
    metadata: {
      tenant: TENANT,
      actor: 'key_1',
      commandId: '8d2f1f0c-5b7e-4e0e-9a3c-6b1d2e4f7a90',
      requestDigest: null,
      correlationId: 'c',
      causationId: null,
      traceparent: null,
    },
  };
}

function recorded(one: NewEvent, n = 1, change: Partial<Recorded> = {}): Recorded {
  return {
    ...one,
    stream: 'note-1' as StreamId,
    version: n,
    position: String(n).padStart(20, '0') as Position,
    ...change,
  };
}

const at = (n: number) => String(n).padStart(20, '0') as Position;
const note = { owner: 'alice', text: 'Alice lives here', remark: 'a remark', count: 3 };

function world(t: TestContext, wrap: (keys: DataKeys) => DataKeys = (keys) => keys) {
  const clock = fakeClock();
  const held = memoryDataKeys({ clock, random: systemRandom });
  t.after(() => held.stop());
  const dataKeys = wrap(held);
  const lost: LostField[] = [];
  const codec = personalCodec({
    catalogue,
    dataKeys,
    clock,
    random: systemRandom,
    onLost: (one) => lost.push(one),
  });
  const encode = async (type: string, data: unknown, id?: string) =>
    (await codec.encode([event(type, data, id)]))[0]!;
  const decode = async (one: Recorded) => (await codec.decode([one]))[0]!;
  return { clock, held, codec, encode, decode, lost };
}

/** With its answers replaced by `answer`. */
function lookingUp(answer: (keyId: string) => KeyLookup) {
  return (keys: DataKeys): DataKeys => ({
    ...keys,
    lookup: async (keyIds) => new Map(keyIds.map((keyId) => [keyId, answer(keyId)])),
  });
}

describe('the codec', () => {
  it('gives back any JSON that went in, personal or not', async (t) => {
    const { encode, decode } = world(t);
    // JSON has no -0, and zod leaves out a member named __proto__.
    const json = fc
      .jsonValue()
      .map((value) => JSON.parse(JSON.stringify(value)) as unknown)
      .filter((value) => !JSON.stringify(value).includes('__proto__'));
    await fc.assert(
      fc.asyncProperty(
        json,
        json,
        fc.option(fc.string({ unit: 'binary' })),
        fc.option(fc.string({ minLength: 1 })),
        async (text, value, remark, owner) => {
          const data = { owner, text, remark, count: 1 };
          assert.deepEqual((await decode(recorded(await encode('noted', data)))).data, data);
          assert.deepEqual((await decode(recorded(await encode('plain', { value })))).data, { value });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('writes nothing of a personal field that can be read without its key', async (t) => {
    const { encode } = world(t);
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 5 }), async (text) => {
        const { data, metadata } = await encode('noted', { ...note, text: `~${text}~`, remark: null });
        const written = Buffer.concat([data, metadata]).toString('utf8');
        const plain = JSON.stringify(`~${text}~`);
        for (const form of [
          plain,
          plain.slice(1, -1),
          Buffer.from(plain).toString('base64url').slice(2, -3),
        ]) {
          assert(!written.includes(form));
        }
      }),
    );
  });

  it('seals each field under the key that its schema names, and a null not at all', async (t) => {
    const { encode, held } = world(t);
    const sealedOf = async (data: unknown) =>
      (JSON.parse(Buffer.from((await encode('noted', data)).data).toString()) as Record<string, never>)[
        SEALED
      ] as Record<string, { key: string }> | undefined;
    const alice = (await held.active(TENANT, 'alice')).keyId;
    const tenant = (await held.active(TENANT, null)).keyId;
    const both = await sealedOf(note);
    assert.deepEqual([both?.text?.key, both?.remark?.key], [alice, tenant]);
    assert.equal((await sealedOf({ ...note, owner: null }))?.text?.key, tenant);
    assert.deepEqual(Object.keys((await sealedOf({ ...note, remark: null })) ?? {}), ['text']);
    assert.equal(await sealedOf({ ...note, text: null, remark: null }), undefined);
  });

  it('never seals twice to the same bytes', async (t) => {
    const { encode } = world(t);
    const [one, two] = [await encode('noted', note, 'same'), await encode('noted', note, 'same')];
    assert.notDeepEqual(one.data, two.data);
  });

  it('looks up the keys of a whole batch in one call, and asks for each active key once', async (t) => {
    const calls: string[] = [];
    const { codec } = world(t, (keys) => ({
      ...keys,
      active(tenant, subject) {
        calls.push(`active ${subject}`);
        return keys.active(tenant, subject);
      },
      lookup(keyIds) {
        calls.push(`lookup ${keyIds.length}`);
        return keys.lookup(keyIds);
      },
    }));
    const events = ['alice', 'bob', 'alice'].map((owner) => event('noted', { ...note, owner }));
    const encoded = await codec.encode(events);
    assert.deepEqual(calls.splice(0).sort(), ['active alice', 'active bob', 'active null']);
    await codec.decode(encoded.map((one, index) => recorded(one, index + 1)));
    assert.deepEqual(calls, ['lookup 3']);
  });

  it('reads without the key store where that is wanted: personal fields as null', async (t) => {
    const { codec, encode } = world(t, (keys) => ({ ...keys, lookup: () => assert.fail('asked') }));
    const read = codec.decodePublic(recorded(await encode('noted', note)));
    assert.deepEqual(read.data, { owner: 'alice', text: null, remark: null, count: 3 });
    assert.deepEqual([read.erased, read.lost], [null, null]);
    assert.equal(read.metadata.tenant, TENANT);
  });

  it('asks again for an active key that grew too old while another was fetched', async (t) => {
    let slow = true;
    const { clock, codec } = world(t, (keys) => ({
      ...keys,
      async active(tenant, subject) {
        const key = await keys.active(tenant, subject);
        if (subject === 'bob' && slow) {
          slow = false;
          await clock.sleep(5_001);
        }
        return key;
      },
    }));
    const encoding = codec.encode(['alice', 'bob'].map((owner) => event('noted', { ...note, owner })));
    await clock.advance(6_000);
    assert.equal((await encoding).length, 2);
  });

  it('gives up on a key store that is always too slow', async (t) => {
    const { clock, codec } = world(t, (keys) => ({
      ...keys,
      async active(tenant, subject) {
        const key = await keys.active(tenant, subject);
        await clock.sleep(5_001);
        return key;
      },
    }));
    const refused = assert.rejects(codec.encode([event('noted', note)]), /too long/);
    await clock.advance(60_000);
    await refused;
  });

  it('lifts old versions, with their personal fields in the clear', async (t) => {
    const old = new Map<string, EventDefinition>([
      ['lifted', defineEvent(1, z.strictObject({ name: personal(z.string()) }))],
    ]);
    const clock = fakeClock();
    const dataKeys = memoryDataKeys({ clock, random: systemRandom });
    t.after(() => dataKeys.stop());
    const deps = { dataKeys, clock, random: systemRandom };
    const [written] = await personalCodec({ ...deps, catalogue: old }).encode([
      event('lifted', { name: 'A' }),
    ]);
    const [read] = await personalCodec({ ...deps, catalogue }).decode([recorded(written!)]);
    assert.deepEqual(read!.data, { label: 'A', size: 1 });
    await assert.rejects(
      personalCodec({ ...deps, catalogue: old }).decode([recorded({ ...written!, schemaVersion: 2 })]),
      NewerSchemaVersion,
    );
  });
});

describe('a field whose key is gone', () => {
  it('is erased where an erasure lies above it, and lost and counted otherwise', async (t) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }),
        fc.option(fc.integer({ min: 1, max: 9 })),
        async (position, erasedAt) => {
          const gone: KeyLookup = erasedAt === null ? 'missing' : { erasedAt: at(erasedAt) };
          const { encode, decode, lost } = world(
            t,
            lookingUp(() => gone),
          );
          const read = await decode(recorded(await encode('noted', note), position));
          const isErased = erasedAt !== null && erasedAt > position;
          assert.deepEqual(read.data, { owner: 'alice', text: null, remark: null, count: 3 });
          assert.deepEqual(read.erased, isErased ? ['text', 'remark'] : []);
          assert.deepEqual(read.lost, isErased ? [] : ['text', 'remark']);
          assert.equal(lost.length, isErased ? 0 : 2);
        },
      ),
    );
  });
});

describe('an event that cannot be decoded', () => {
  it('is refused every time in the same words, none of them from its data', async (t) => {
    const { encode, decode, held } = world(t);
    const other = await held.active(TENANT, 'somebody else');
    const wrongKey = world(
      t,
      lookingUp(() => other),
    );
    const theirs = recorded(await wrongKey.encode('noted', note));
    const good = recorded(await encode('noted', note, 'e1'));
    const json = JSON.parse(Buffer.from(good.data).toString()) as Record<string, Record<string, never>>;
    const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
    const sealed = json[SEALED] as unknown as Record<string, Record<string, string>>;
    const withText = (change: object) =>
      bytes({ ...json, [SEALED]: { ...sealed, text: { ...sealed.text, ...change } } });
    const faults: Record<string, [(one: Recorded) => Promise<unknown>, Recorded]> = {
      'another key': [wrongKey.decode, theirs],
      'another event': [decode, { ...good, id: 'e2' as EventId }],
      'another type': [decode, { ...good, type: 'plain' }],
      'fields swapped': [decode, { ...good, data: bytes({ ...json, [SEALED]: { text: sealed.remark } }) }],
      'a changed commitment': [decode, { ...good, data: withText({ commitment: 'A'.repeat(43) }) }],
      'a changed nonce': [decode, { ...good, data: withText({ nonce: 'A'.repeat(16) }) }],
      'a short ciphertext': [decode, { ...good, data: withText({ ciphertext: 'AAAA' }) }],
      'no sealed field': [decode, { ...good, data: bytes({ ...json, [SEALED]: { text: 'Alice' } }) }],
      'no JSON': [decode, { ...good, data: Buffer.from('{Alice') }],
      'no object': [decode, { ...good, data: Buffer.from('["Alice"]') }],
      'no metadata': [decode, { ...good, metadata: Buffer.from('{"tenant":"Alice"}') }],
      'an unknown field': [decode, { ...good, data: bytes({ ...json, Alice: 1 }) }],
      'a missing field': [decode, { ...good, data: bytes({ ...json, count: undefined }) }],
      'a wrong type': [decode, { ...good, data: bytes({ ...json, count: 'Alice' }) }],
      'a personal field in the clear, and wrong': [
        decode,
        { ...good, data: bytes({ ...json, [SEALED]: { text: sealed.text }, remark: 5 }) },
      ],
      'version 0': [decode, { ...good, schemaVersion: 0 }],
      'an upcaster that fails': [
        decode,
        { ...good, type: 'lifted', schemaVersion: 1, data: Buffer.from('{"size":"Alice"}') },
      ],
    };
    for (const [fault, [read, one]] of Object.entries(faults)) {
      const errors = [await read(one).catch((e) => e), await read(one).catch((e) => e)] as UndecodableEvent[];
      assert(errors[0] instanceof UndecodableEvent, fault);
      assert.equal(errors[0].message, errors[1]!.message, fault);
      assert.equal(errors[0].event.id, one.id, fault);
      if (fault !== 'an unknown field') assert(!String(errors[0].stack).includes('Alice'), fault);
      assert.equal(errors[0].cause, undefined, fault);
    }
    await assert.rejects(decode({ ...good, type: 'unheard-of' }), UnknownEventType);
  });

  it('is the first faulty one of a batch, whatever its fault', async (t) => {
    const { encode, codec } = world(t);
    const good = recorded(await encode('noted', note), 1);
    const moved = recorded(await encode('noted', note), 2, { id: 'moved' as EventId });
    const garbled = recorded(await encode('noted', note), 3, { data: Buffer.from('{') });
    await assert.rejects(codec.decode([good, moved, garbled]), /event moved/);
    await assert.rejects(codec.decode([good, garbled, moved]), { message: /data is not JSON/ });
  });
});

describe('an event that must not be written', () => {
  it('is refused with the names of its fields, and none of its values', async (t) => {
    const { codec } = world(t);
    for (const [type, data] of [
      ['noted', { ...note, count: 'Alice' }],
      ['noted', { ...note, extra: 'Alice' }],
      ['noted', 'Alice'],
      ['unheard-of', {}],
    ] as const) {
      const error = (await codec.encode([event(type, data)]).catch((e) => e)) as Error;
      assert(error instanceof InvalidEvent);
      assert(!error.message.includes('Alice'));
    }
  });
});

describe('a catalogue', () => {
  const refuses = (schema: z.ZodObject, message: RegExp) =>
    assert.throws(
      () =>
        personalCodec({
          catalogue: new Map([['bad', defineEvent(1, schema)]]),
          dataKeys: {} as DataKeys,
          clock: fakeClock(),
          random: systemRandom,
        }),
      message,
    );

  it('is refused when a personal field lies inside another', () => {
    const inner = personal(z.string());
    const nested = [
      z.strictObject({ inner }),
      z.array(inner),
      z.record(z.string(), inner),
      z.union([z.int(), inner]),
      z.tuple([inner]),
      inner.optional(),
      z.lazy(() => inner),
      z.discriminatedUnion('kind', [z.strictObject({ kind: z.literal('a'), inner })]),
    ];
    for (const outer of nested) refuses(z.strictObject({ outer }), /only a top-level field can be personal/);
  });

  it('is refused when a subject is not there, or personal itself, or a name is taken', () => {
    refuses(z.strictObject({ a: personal(z.string(), 'who') }), /who/);
    refuses(z.strictObject({ who: personal(z.string()), a: personal(z.string(), 'who') }), /itself personal/);
    refuses(z.strictObject({ [SEALED]: z.string() }), /may not be named/);
    refuses(z.strictObject({ 'a\u0000b': personal(z.string()) }), /no name/);
  });

  it('keeps a personal field personal when it is described', async (t) => {
    const clock = fakeClock();
    const dataKeys = memoryDataKeys({ clock, random: systemRandom });
    t.after(() => dataKeys.stop());
    const schema = z.strictObject({ name: personal(z.string()).describe('What they are called') });
    const codec = personalCodec({
      catalogue: new Map([['named', defineEvent(1, schema)]]),
      dataKeys,
      clock,
      random: systemRandom,
    });
    const [written] = await codec.encode([event('named', { name: 'Alice' })]);
    assert(!Buffer.from(written!.data).toString().includes('Alice'));
  });
});
