/** A log, a key store and processes over them, on one fake clock: for what happens to personal data. */
import type { TestContext } from 'node:test';
import type { DataKeys } from '../../commands/data-keys.ts';
import type { LostField } from '../../commands/decode-events.ts';
import { personalCodec } from '../../commands/personal-codec.ts';
import { subjectStream } from '../../commands/streams.ts';
import { systemContext } from '../../commands/system-context.ts';
import { systemRandom } from '../../infra/system-clock.ts';
import type { Decoded, EventId, StreamId, TenantId } from '../../schemas/envelope.ts';
import { eventCatalogue } from '../../schemas/events/catalogue.ts';
import { runErasureFollower } from '../../workers/erasure-follower.ts';
import { memoryDataKeys, memoryKeyStore } from '../engines/memory-data-keys.ts';
import { memoryEventLog } from '../engines/memory-event-log.ts';
import { fakeClock } from './fake-clock.ts';

export const TENANT = 'tnt_00000000000000000000000000000001' as TenantId;

export function personalWorld(t: TestContext) {
  const clock = fakeClock();
  const random = systemRandom;
  const log = memoryEventLog({ clock });
  const store = memoryKeyStore();
  t.after(() => log.close());

  /** One process: caches of its own. `wrap`: to put a fault between it and its data keys. */
  function process(wrap: (dataKeys: DataKeys) => DataKeys = (dataKeys) => dataKeys) {
    const held = memoryDataKeys({ store, clock, random });
    t.after(() => held.stop());
    const dataKeys = wrap(held);
    const lost: LostField[] = [];
    const codec = personalCodec({
      catalogue: eventCatalogue,
      dataKeys,
      clock,
      random,
      onLost: (one) => lost.push(one),
    });
    const deps = { log, codec, clock, random, dataKeys };
    return {
      ...deps,
      lost,
      /** Runs the erasure follower until the test ends; answers what it last told of itself. */
      follow() {
        const stop = new AbortController();
        const health = { state: 'starting', problem: '' };
        const running = runErasureFollower(deps, {
          signal: stop.signal,
          changed: (now) => Object.assign(health, now),
        });
        const end = () => {
          stop.abort();
          return running;
        };
        t.after(end);
        return { health, stop: end };
      },
      /** Appends a personal note about somebody to a stream of their own; answers its event. */
      async note(
        ownerId: string | null,
        name: string,
        stream = `key-${ownerId ?? 'none'}`,
      ): Promise<Decoded> {
        const [event] = await codec.encode([
          {
            id: crypto.randomUUID() as EventId,
            type: 'key.renamed',
            data: { ownerId, name },
            timeMs: clock.now(),
            nonce: random.bytes(16),
            metadata: systemContext('test', TENANT, [stream]),
          },
        ]);
        await log.append(stream as StreamId, 'any', [event!]);
        const [decoded] = await codec.decode(log.events.slice(-1));
        return decoded!;
      },
      /** What this process reads of that event now. */
      async read(event: Decoded): Promise<Decoded> {
        const recorded = log.events.find(({ id }) => id === event.id)!;
        const [decoded] = await codec.decode([recorded]);
        return decoded!;
      },
      async settled(): Promise<void> {
        await clock.advance(2_000);
      },
    };
  }

  return {
    clock,
    log,
    store,
    process,
    eraseContext: (subject: string, request: string) =>
      systemContext('test', TENANT, [subjectStream(TENANT, subject), request]),
  };
}
