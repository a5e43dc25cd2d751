/** Personal notes about one subject, over a log and a key store in memory, and processes that write and read them. */
import assert from 'node:assert/strict';
import type { Clock } from '../../commands/clock.ts';
import { type DataKeys, KeyStoreBehind } from '../../commands/data-keys.ts';
import type { Decider } from '../../commands/decider.ts';
import type { EventLog } from '../../commands/event-log.ts';
import { execute } from '../../commands/execute.ts';
import { personalCodec } from '../../commands/personal-codec.ts';
import type { SealedField } from '../../commands/sealed-field.ts';
import { keyStream } from '../../commands/streams.ts';
import { systemContext } from '../../commands/system-context.ts';
import type { KeyStore } from '../../infra/secrets/key-store.ts';
import { type Bookmark, type Position, type Recorded, START } from '../../schemas/envelope.ts';
import { keyEvents } from '../../schemas/events/keys.ts';
import { subjectEvents } from '../../schemas/events/subjects.ts';
import { catchUpErasures, type ErasureFollowerDeps } from '../../workers/erasure-follower.ts';
import { type MemoryKeyStore, memoryDataKeys } from '../engines/memory-data-keys.ts';
import type { MemoryEventLog } from '../engines/memory-event-log.ts';
import { replacing } from './replacing.ts';
import type { Process, Scheduler } from './scheduler.ts';
import { TENANT } from './verify-world.ts';

export const SUBJECT = 'alice';

/**
 * An append lands this soon after its events were sealed, or never: what is left of the wait of an
 * erasure when the hold of a key has run out.
 */
export const LANDS_WITHIN_MS = 900;

/** The two that the rule uses: to compile all for each process takes longer than a schedule. */
const catalogue = new Map(Object.entries({ 'key.renamed': keyEvents['key.renamed'], ...subjectEvents }));

export interface ErasureGuards {
  /** Between the data keys of one process and the store. */
  store(store: KeyStore, process: Process, world: ErasureWorld): KeyStore;
  /** `another`: data keys of the same process that share nothing with these but the store. */
  dataKeys(dataKeys: DataKeys, another: () => DataKeys): DataKeys;
  /** What the erasing command waits by. */
  clock(clock: Clock): Clock;
  catchUp(deps: ErasureFollowerDeps, signal: AbortSignal): Promise<void>;
  readonly landsWithinMs: number;
}

export const erasureGuards: ErasureGuards = {
  store: (store) => store,
  dataKeys: (dataKeys) => dataKeys,
  clock: (clock) => clock,
  catchUp: catchUpErasures,
  landsWithinMs: LANDS_WITHIN_MS,
};

export interface ErasureWorld {
  readonly scheduler: Scheduler;
  readonly guards: ErasureGuards;
  readonly log: MemoryEventLog;
  readonly store: MemoryKeyStore;
  /** When each position was appended. */
  readonly appendedMs: Map<Position, number>;
  /** Keys that a restore of the store took away. */
  readonly vanished: Set<string>;
  /** What each note said, by the command that wrote it. */
  readonly notes: Map<string, string>;
  /** Where a twin keeps the follower's bookmark. */
  readonly outside: { bookmark: Bookmark | null };
  readonly lives: Set<ErasureLife>;
  closings: number;
}

/** One life of one process. */
export interface ErasureLife {
  readonly process: Process;
  readonly deps: ReturnType<typeof depsOf>;
  /** Through where its follower has carried out erasures; null before its first catch-up. */
  passed: Position | null;
}

export function depsOf(world: ErasureWorld, process: Process) {
  const { scheduler, guards, log } = world;
  const { clock, random } = process;
  const lossyStore = replacing<KeyStore>(world.store, {
    async close(...args) {
      world.closings += 1;
      return world.store.close(...args);
    },
    async erase(batch) {
      const answer = await world.store.erase(batch);
      if (scheduler.chance(0.05)) throw new Error('reply lost');
      return answer;
    },
  });
  const open = () => {
    const store = guards.store(process.wrap(lossyStore, 'keys'), process, world);
    return memoryDataKeys({ clock, random, store });
  };
  const dataKeys = guards.dataKeys(open(), open);
  const inner = personalCodec({ catalogue, dataKeys, clock, random });
  const sealedMs = new Map<string, number>();
  const codec = {
    ...inner,
    async encode(events: Parameters<typeof inner.encode>[0]) {
      const encoded = await inner.encode(events);
      for (const { id } of encoded) sealedMs.set(id, scheduler.now());
      return encoded;
    },
  };
  const bounded = replacing<EventLog>(log, {
    async append(stream, expected, events) {
      const sealed = Math.min(...events.map(({ id }) => sealedMs.get(id) ?? scheduler.now()));
      if (scheduler.now() - sealed > guards.landsWithinMs) throw new Error('too late');
      const answer = await log.append(stream, expected, events);
      if (answer.ok && !world.appendedMs.has(answer.position)) {
        world.appendedMs.set(answer.position, scheduler.now());
      }
      if (scheduler.chance(0.1)) throw new Error('reply lost');
      return answer;
    },
  });
  return { log: process.wrap(bounded, 'log'), codec, clock, random, dataKeys };
}

type Renamed = {
  readonly type: 'key.renamed';
  readonly data: { readonly ownerId: string; readonly name: string };
};
const noteDecider: Decider<null, string, Renamed> = {
  initial: null,
  evolve: () => null,
  decide: (name) => ({ accept: [{ type: 'key.renamed', data: { ownerId: SUBJECT, name } }] }),
};

/** Writes a note; it may fail, and may stand in the log all the same. */
export async function write(world: ErasureWorld, { deps, process }: ErasureLife): Promise<void> {
  const name = `note ${world.notes.size}`;
  const context = systemContext('note', TENANT, [String(world.scheduler.seed), name]);
  world.notes.set(context.commandId, name);
  const stream = keyStream(process.name);
  await execute(deps, { decider: noteDecider, stream, context, command: () => name, creates: true }).catch(
    expected,
  );
}

export interface Erasure {
  readonly position: Position;
  readonly keyIds: readonly string[];
}

export function erasuresIn(log: MemoryEventLog): readonly Erasure[] {
  return log.events
    .filter(({ type }) => type === 'subject.erased')
    .map((event) => ({ position: event.position, ...(dataOf(event) as { keyIds: string[] }) }));
}

export function notesIn(log: MemoryEventLog): readonly Recorded[] {
  return log.events.filter(({ type }) => type === 'key.renamed');
}

export function keyOf(note: Recorded): string {
  return (dataOf(note) as { $personal: { name: SealedField } }).$personal.name.key;
}

function dataOf(event: Recorded): object {
  return JSON.parse(Buffer.from(event.data).toString()) as object;
}

/** Reads a note as this process does now, and holds the answer to the rule. */
export async function read(world: ErasureWorld, life: ErasureLife, note: Recorded): Promise<string> {
  const { scheduler, log } = world;
  const keyId = keyOf(note);
  const naming = () =>
    erasuresIn(log).filter(({ keyIds, position }) => keyIds.includes(keyId) && position > note.position);
  const askedMs = scheduler.now();
  const before = naming();
  const passed = life.passed ?? START;
  let name: unknown;
  let state: string;
  try {
    const [decoded] = await life.deps.codec.decode([note]);
    name = (decoded!.data as Renamed['data']).name;
    state = decoded!.lost.length > 0 ? 'lost' : decoded!.erased.length > 0 ? 'erased' : 'read';
  } catch (error) {
    expected(error);
    return 'unavailable';
  }
  scheduler.note(`${life.process.name} finds ${note.position.slice(-3)} ${state}`);
  if (state === 'read') {
    const { commandId } = JSON.parse(Buffer.from(note.metadata).toString()) as { commandId: string };
    assert.equal(name, world.notes.get(commandId), 'a note reads as another');
    assert.ok(!before.some(({ position }) => position <= passed), 'read after its erasure was followed');
    const late = before.some(({ position }) => askedMs - world.appendedMs.get(position)! > 5_000);
    assert.ok(!late || !scheduler.fair, 'read more than 5 s after its erasure');
  }
  if (state === 'erased')
    assert.notEqual(naming().length, 0, 'erased, and no erasure above it names its key');
  if (state === 'lost') assert.ok(world.vanished.has(keyId), 'lost, and its key did not vanish');
  return state;
}

/** Also a key that grew too old while the store answered: time may pass there. */
const EXPECTED = /^(reply lost|too late|no usable data key in|the key store took too long)/;

/** What may go wrong without breaking the rule: it says so, and nothing is read or written. */
export function expected(error: unknown): void {
  const { message } = error as Error;
  if (!(error instanceof KeyStoreBehind) && !EXPECTED.test(message)) throw error;
}
