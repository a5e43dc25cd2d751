/**
 * Follows the log's erasures and has the data keys forget. Every process runs one, for each must refuse
 * erased keys whatever the store says; the store itself is told by whichever is first.
 *
 * It stands where the key store says that it stands. When the store is put back to an earlier copy, under
 * running processes too, it goes back with it and carries out everything again.
 */
import type { Clock } from '../commands/clock.ts';
import { type Codec, NewerSchemaVersion } from '../commands/codec.ts';
import type { DataKeys, ErasureBatch } from '../commands/data-keys.ts';
import type { EventLog } from '../commands/event-log.ts';
import type { ReactorHealth } from '../commands/reactor.ts';
import { historyMismatch } from '../projections/history-check.ts';
import { type Bookmark, type Position, type Recorded, START } from '../schemas/envelope.ts';
import type { SubjectEvent } from '../schemas/events/subjects.ts';

export interface ErasureFollowerDeps {
  readonly log: Pick<EventLog, 'subscribe' | 'head' | 'eventIdAt'>;
  readonly codec: Pick<Codec, 'decodePublic'>;
  readonly dataKeys: Pick<DataKeys, 'bookmark' | 'erase'>;
  readonly clock: Clock;
}

export interface ErasureFollowerOptions {
  readonly signal: AbortSignal;
  readonly changed?: (health: ReactorHealth) => void;
  readonly problemOf?: (error: unknown) => string;
}

/** The log is not the one that the key store's bookmark was made on: an operator must look. */
export class ErasureFollowerHalted extends Error {
  override readonly name = 'ErasureFollowerHalted';
}

const ERASED: SubjectEvent['type'] = 'subject.erased';
const BATCH_EVENTS = 1_000;
/** Where nothing is erased, the bookmark is written this often; a restored store is noticed as soon. */
const SAVE_EVERY_MS = 1_000;
/**
 * Between looks at what is new: every process follows, and a read for each event of a busy log would cost
 * more than the rest. Keys may be held for 5 s anyway.
 */
const LOOK_EVERY_MS = 100;
const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;
/** Between looks at a log that is not the one of our bookmark, or is ahead of this release. */
const WAIT_MS = 10_000;
/** Rounds of a catch-up: one is lost when the store is restored meanwhile. */
const MAX_ROUNDS = 5;

/** Runs until the signal aborts; never rejects. */
export async function runErasureFollower(
  deps: ErasureFollowerDeps,
  { signal, changed, problemOf }: ErasureFollowerOptions,
): Promise<void> {
  let retryMs = MIN_RETRY_MS;
  const progressed = (position: Position, live: boolean) => {
    retryMs = MIN_RETRY_MS;
    changed?.({ state: 'running', position, live });
  };
  while (!signal.aborted) {
    try {
      await follow(deps, { signal, progressed });
    } catch (error) {
      if (signal.aborted) break;
      const problem = problemOf?.(error) ?? `${(error as Error).name}: ${(error as Error).message}`;
      const waits = error instanceof ErasureFollowerHalted || error instanceof NewerSchemaVersion;
      if (waits) changed?.({ state: error instanceof NewerSchemaVersion ? 'paused' : 'halted', problem });
      else changed?.({ state: 'retrying', problem });
      await deps.clock.sleep(waits ? WAIT_MS : retryMs, signal);
      retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
    }
  }
  changed?.({ state: 'stopped' });
}

/**
 * Carries out every erasure that the log holds now. A process awaits it before it encrypts or decrypts
 * anything: a key store that was restored while nothing ran would still hold erased keys. Throws
 * `ErasureFollowerHalted`, and what log and store throw.
 */
export async function catchUpErasures(deps: ErasureFollowerDeps, signal: AbortSignal): Promise<void> {
  const { position } = await deps.log.head();
  for (let round = 0; round < MAX_ROUNDS && !signal.aborted; round++) {
    const reached = await follow(deps, { signal, through: position });
    if (reached >= position) return;
  }
  if (!signal.aborted)
    throw new Error(`the key store went back ${MAX_ROUNDS} times while erasures were read`);
}

interface Session {
  readonly signal: AbortSignal;
  readonly progressed?: (position: Position, live: boolean) => void;
  /** Ends when everything up to here is carried out. */
  readonly through?: Position;
}

/** From the store's bookmark on, until the signal aborts or the store has gone back. Answers how far it came. */
async function follow(deps: ErasureFollowerDeps, session: Session): Promise<Position> {
  const { log, dataKeys, clock } = deps;
  let saved = await startOf(deps);
  let at = saved;
  let savedMs = clock.now();

  async function save(erasures: ErasureBatch['erasures']): Promise<boolean> {
    if ((await dataKeys.erase({ after: saved.position, erasures, bookmark: at })) === 'behind') return false;
    saved = at;
    savedMs = clock.now();
    return true;
  }

  // Also tells this process where the store stands, so that it notices when it goes back.
  if (!(await save([]))) return START;
  if (session.through !== undefined && at.position >= session.through) return at.position;

  const ending = new AbortController();
  const end = () => ending.abort();
  session.signal.addEventListener('abort', end);
  if (session.signal.aborted) end();
  try {
    const slices = log.subscribe(at.position, { batchEvents: BATCH_EVENTS, signal: ending.signal });
    for await (const slice of slices) {
      if (session.signal.aborted) break;
      const erasures = slice.events
        .filter(({ type }) => type === ERASED)
        .map((event) => erasureOf(deps, event));
      // Before a key is destroyed, and in every quiet second: is this the history that we have followed?
      if (erasures.length > 0 || slice.events.length === 0) await assertSameHistory(log, at);
      const last = slice.events.at(-1);
      if (last) at = { epoch: at.epoch, position: last.position, eventId: last.id };
      const done = session.through !== undefined && at.position >= session.through;
      const sinceMs = clock.now() - savedMs;
      if (erasures.length > 0 || done || sinceMs >= SAVE_EVERY_MS || sinceMs < 0) {
        // Nothing to write is told too: it costs a look, and shows whether the store has gone back.
        if (!(await save(erasures))) return START;
      }
      session.progressed?.(at.position, slice.live);
      if (done) break;
      if (slice.live && slice.events.length > 0) await clock.sleep(LOOK_EVERY_MS, ending.signal);
    }
    return at.position;
  } finally {
    session.signal.removeEventListener('abort', end);
    end();
  }
}

async function startOf({ log, dataKeys }: ErasureFollowerDeps): Promise<Bookmark> {
  const bookmark = await dataKeys.bookmark();
  if (bookmark === null) return { epoch: (await log.head()).epoch, position: START, eventId: null };
  await assertSameHistory(log, bookmark);
  return bookmark;
}

async function assertSameHistory(log: ErasureFollowerDeps['log'], bookmark: Bookmark): Promise<void> {
  const mismatch = await historyMismatch(log, bookmark);
  if (mismatch === null) return;
  throw new ErasureFollowerHalted(
    `The log was replaced under the key store: ${mismatch}. If it was restored or copied, run \`plinth log restored\`: then erasures are read again from its start.`,
  );
}

function erasureOf({ codec }: ErasureFollowerDeps, event: Recorded): ErasureBatch['erasures'][number] {
  const { data } = codec.decodePublic(event) as { readonly data: SubjectEvent['data'] };
  return { keyIds: data.keyIds, position: event.position };
}
