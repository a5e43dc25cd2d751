/** Commands at a counter, by processes that keep its state or do not: for what a kept one must not change. */
import { type Codec, UndecodableEvent } from '../../commands/codec.ts';
import { type Decider, reject } from '../../commands/decider.ts';
import type { EventLog } from '../../commands/event-log.ts';
import { type CommandContext, execute } from '../../commands/execute.ts';
import type { HotFolds } from '../../commands/hot-folds.ts';
import { uuidv5 } from '../../commands/ids.ts';
import {
  type CommandId,
  type EventId,
  type Position,
  type StreamId,
  streamId,
  type TenantId,
} from '../../schemas/envelope.ts';
import { memoryEventLog } from '../engines/memory-event-log.ts';
import { plainCodec } from '../simulation/plain-codec.ts';
import { fakeClock } from './fake-clock.ts';
import { countingRandom } from './keys-world.ts';

export const OWN_TENANT = 'tnt_a' as TenantId;
export const OTHER_TENANT = 'tnt_b' as TenantId;
const SPOILED = 'counter.spoiled';

type Added = { readonly type: 'added'; readonly data: { readonly by: number } };

/** Counts to a hundred; adding nothing changes nothing. */
export const countingDecider: Decider<number, number, Added> = {
  initial: 0,
  evolve: (total, event) => (event.type === 'added' ? total + event.data.by : total),
  decide(by, total) {
    if (total + by > 100) return reject({ code: 'conflict', detail: `${total} and ${by} are too many` });
    return { accept: by === 0 ? [] : [{ type: 'added', data: { by } }] };
  },
};

export interface Adding {
  readonly by: number;
  readonly process?: number;
  readonly stream?: StreamId;
  readonly tenant?: TenantId;
  readonly requestDigest?: string | null;
  readonly ownOnly?: boolean;
  readonly ifVersion?: number;
  readonly decider?: Decider<number, number, Added>;
}

/** What a client can tell of an outcome. */
export interface Told {
  readonly code?: string;
  readonly state?: number;
  readonly version?: number;
  readonly replayed?: boolean;
  readonly position?: Position | null;
  readonly events?: readonly (readonly [version: number, data: unknown, timeMs: number, actor: string])[];
}

/** @param processes what each of them keeps; null: it folds whole */
export function hotWorld(processes: readonly (HotFolds | null)[]) {
  const clock = fakeClock();
  const log = memoryEventLog({ clock });
  const random = countingRandom();
  const stream = streamId('counter', 'a');
  /** `after` of every read of a command. */
  const reads: number[] = [];
  let decoded = 0;
  let answering: (() => Promise<void>) | null = null;
  const codec: Codec = {
    ...plainCodec,
    decode: async (events) => events.map((event) => ({ ...codec.decodePublic(event), erased: [], lost: [] })),
    decodePublic(event) {
      decoded += 1;
      if (event.type === SPOILED) throw new UndecodableEvent(event, 'spoiled');
      return plainCodec.decodePublic(event);
    },
  };
  const asked: EventLog = {
    ...log,
    async readStream(of, range) {
      reads.push(range?.after ?? 0);
      const hold = answering;
      answering = null;
      const events = await log.readStream(of, range);
      await hold?.();
      return events;
    },
  };

  function contextOf(id: string, adding: Partial<Adding>): CommandContext {
    const commandId = uuidv5('test', id) as CommandId;
    const { tenant = OWN_TENANT, requestDigest = null } = adding;
    const by = { correlationId: id, causationId: null, traceparent: null };
    return { commandId, tenant, actor: 'key_a', requestDigest, ...by };
  }

  async function append(of: StreamId, id: string, type: string, data: unknown, tenant = OWN_TENANT) {
    const [event] = await plainCodec.encode([
      {
        id: uuidv5('event', id) as EventId,
        type,
        data,
        timeMs: clock.now(),
        nonce: random.bytes(16),
        metadata: contextOf(id, { tenant }),
      },
    ]);
    await log.append(of, 'any', [event!]);
  }

  return {
    clock,
    log,
    stream,
    reads,
    /** Events that were decoded so far. */
    decoded: () => decoded,
    async add(id: string, adding: Adding): Promise<Told> {
      const { process = 0, ownOnly, ifVersion } = adding;
      const run = {
        decider: adding.decider ?? countingDecider,
        stream: adding.stream ?? stream,
        context: contextOf(id, adding),
        command: () => adding.by,
        ...(ownOnly === undefined ? {} : { ownOnly }),
        ...(ifVersion === undefined ? {} : { ifVersion }),
      };
      // Nobody moves the clock for a command that meets another and waits.
      const deps = { log: asked, codec, clock: { ...clock, sleep: async () => {} }, random };
      const hot = processes[process]!;
      const outcome = await execute(deps, hot === null ? run : { ...run, hot });
      if (outcome.kind === 'rejected') return { code: outcome.rejection.code };
      const { state, version, replayed, position } = outcome;
      const events = outcome.events.map((e) => [e.version, e.data, e.timeMs, e.metadata.actor] as const);
      return { state, version, replayed, position, events };
    },
    /** By somebody who is no process of these. */
    append: (id: string, by: number, more: { stream?: StreamId; tenant?: TenantId } = {}) =>
      append(more.stream ?? stream, id, 'added', { by }, more.tenant),
    /** An event that nobody can read. */
    spoil: (id = 'spoiled') => append(stream, id, SPOILED, {}),
    discard: (version: number, id = 'discard') =>
      append(stream, id, 'projection.discard-requested', { projection: 'keys', version }),
    /** Holds the answer to the next read. */
    hold() {
      const reading = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      answering = () => {
        reading.resolve();
        return released.promise;
      };
      return { reading: reading.promise, release: () => released.resolve() };
    },
  };
}
