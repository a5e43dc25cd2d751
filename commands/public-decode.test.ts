import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { z } from 'zod';
import { systemRandom } from '../infra/system-clock.ts';
import type { EventId, Position, PublicDecoded, Recorded, StreamId, TenantId } from '../schemas/envelope.ts';
import { eventCatalogue } from '../schemas/events/catalogue.ts';
import { defineEvent, type EventDefinition } from '../schemas/events/definition.ts';
import { eventSchema, personalFieldsOf } from '../schemas/events/event-schema.ts';
import type { DecodedKeyEvent, PublicKeyEvent } from '../schemas/events/keys.ts';
import { samplesOf } from '../schemas/events/samples.ts';
import { personal } from '../schemas/personal.ts';
import { memoryDataKeys } from '../test/engines/memory-data-keys.ts';
import { fakeClock } from '../test/support/fake-clock.ts';
import { UndecodableEvent } from './codec.ts';
import { SEALED } from './event-types.ts';
import { personalCodec } from './personal-codec.ts';
import { systemContext } from './system-context.ts';

const TENANT = 'tnt_00000000000000000000000000000001' as TenantId;

function world(t: TestContext) {
  const clock = fakeClock();
  const dataKeys = memoryDataKeys({ clock, random: systemRandom });
  t.after(() => dataKeys.stop());
  const codec = personalCodec({ catalogue: eventCatalogue, dataKeys, clock, random: systemRandom });
  const recorded = async (type: string, data: unknown): Promise<Recorded> => {
    const metadata = systemContext('test', TENANT, [type]);
    const event = { id: crypto.randomUUID() as EventId, type, data, timeMs: 1, metadata };
    const [encoded] = await codec.encode([{ ...event, nonce: systemRandom.bytes(16) }]);
    return { ...encoded!, stream: 'a-b' as StreamId, version: 1, position: '1' as Position };
  };
  return { codec, recorded };
}

/** With every sealed field of the event spoiled by `change`. */
function damaged(event: Recorded, change: (sealed: Record<string, string>) => unknown): Recorded {
  const data = JSON.parse(Buffer.from(event.data).toString()) as Record<string, Record<string, never>>;
  const sealed = Object.entries(data[SEALED] ?? {}).map(([field, one]) => [field, change(one)]);
  return {
    ...event,
    data: Buffer.from(JSON.stringify({ ...data, [SEALED]: Object.fromEntries(sealed) })),
  };
}

describe('an event that is read without opening anything', () => {
  it('says the same as one that is opened, less its personal fields', async (t) => {
    const { codec, recorded } = world(t);
    for (const [type, definition] of eventCatalogue) {
      const schema = eventSchema(definition);
      const hidden = Object.fromEntries(personalFieldsOf(schema).map((field) => [field, null]));
      for (const sample of samplesOf(schema)) {
        const event = await recorded(type, sample);
        const [opened] = await codec.decode([event]);
        const read = codec.decodePublic(event);
        assert.deepEqual(opened!.data, sample, type);
        assert.deepEqual(read, {
          ...opened,
          data: { ...(sample as object), ...hidden },
          erased: null,
          lost: null,
        });
      }
    }
  });

  it('says the same however its personal fields are damaged', async (t) => {
    const { codec, recorded } = world(t);
    const damages = [
      (sealed: Record<string, string>) => ({ ...sealed, ciphertext: 'A'.repeat(100) }),
      (sealed: Record<string, string>) => ({ ...sealed, nonce: undefined }),
      () => 'no sealed field',
      () => null,
    ];
    let seen = 0;
    for (const [type, definition] of eventCatalogue) {
      const [full] = samplesOf(eventSchema(definition));
      const event = await recorded(type, full);
      if (!Buffer.from(event.data).toString().includes(SEALED)) continue;
      seen++;
      for (const change of damages) {
        const bad = damaged(event, change);
        await assert.rejects(codec.decode([bad]), UndecodableEvent, type);
        assert.deepEqual(codec.decodePublic(bad), codec.decodePublic(event));
      }
    }
    assert.ok(seen > 5);
  });

  it('says nothing of a field that was written before it was personal', async (t) => {
    const clock = fakeClock();
    const dataKeys = memoryDataKeys({ clock, random: systemRandom });
    t.after(() => dataKeys.stop());
    const codecOf = (definition: EventDefinition) =>
      personalCodec({
        catalogue: new Map([['noted', definition]]),
        ...{ dataKeys, clock, random: systemRandom },
      });
    const before = codecOf(defineEvent(1, z.strictObject({ note: z.string(), size: z.int() })));
    const metadata = systemContext('test', TENANT, ['noted']);
    const event = { id: crypto.randomUUID() as EventId, type: 'noted', timeMs: 1, metadata };
    const data = { note: 'Ann', size: 3 };
    const [encoded] = await before.encode([{ ...event, data, nonce: systemRandom.bytes(16) }]);
    const recorded = { ...encoded!, stream: 'a-b' as StreamId, version: 1, position: '1' as Position };
    const now = z.strictObject({ text: personal(z.string()), size: z.int() });
    const after = codecOf(defineEvent(2, now, [({ note, ...rest }) => ({ ...rest, text: note })]));
    assert.deepEqual((await after.decode([recorded]))[0]!.data, { text: 'Ann', size: 3 });
    assert.deepEqual(after.decodePublic(recorded).data, { text: null, size: 3 });
  });

  it('is of a type that the compiler takes for no other, in which what is personal is null', () => {
    const read: readonly PublicDecoded[] = [];
    const events = read as readonly PublicKeyEvent[];
    const names: null[] = events.flatMap((event) => (event.type === 'key.renamed' ? [event.data.name] : []));
    const owners = events.flatMap((event) => (event.type === 'key.renamed' ? [event.data.ownerId] : []));
    // @ts-expect-error The owner's id is not personal.
    const hidden: null[] = owners;
    // @ts-expect-error Nothing was opened.
    const opened = read as readonly DecodedKeyEvent[];
    assert.deepEqual([names, hidden, opened], [[], [], []]);
  });
});
