/**
 * A reactor: a checkpointed consumer of the log that turns events into commands. It takes every event at
 * least once and in order; what it commands is idempotent, because the same event makes the same command
 * ids. Rebuilds never run it: it is no projection, and its checkpoint is its own.
 */
import {
  type Bookmark,
  type CommandId,
  type DecodedEvent,
  type Recorded,
  START,
  type StreamId,
} from '../schemas/envelope.ts';
import type { Clock } from './clock.ts';
import { NewerSchemaVersion } from './codec.ts';
import { decodeOne, type StreamDecoder } from './decode-stream.ts';
import type { EventLog } from './event-log.ts';
import { uuidv5 } from './ids.ts';

export interface Reactor {
  /** Part of the command ids: another name does everything again. */
  readonly name: string;
  readonly types: ReadonlySet<string>;
  /**
   * Gives the commands that the event asks for, one after another or together. A throw is tried again
   * until it succeeds: what can never succeed must be told from what may, and let pass, here.
   *
   * @param commandId of the `index`-th command that this event gives at `target`
   */
  react(event: DecodedEvent, commandId: (target: StreamId, index: number) => CommandId): Promise<void>;
}

/** The port of the place where reactors stand. */
export interface ReactorCheckpoints {
  /** Null: it has never run. */
  load(reactor: string): Promise<Bookmark | null>;
  /** Moves it by compare-and-set. False: it was not at `from`; nothing was done. */
  save(reactor: string, from: Bookmark | null, to: Bookmark): Promise<boolean>;
}

export interface ReactorDeps {
  readonly log: Pick<EventLog, 'subscribe' | 'head' | 'eventIdAt'>;
  readonly codec: StreamDecoder;
  readonly clock: Clock;
  readonly checkpoints: ReactorCheckpoints;
}

export type ReactorHealth =
  | { readonly state: 'running'; readonly position: string; readonly live: boolean }
  | { readonly state: 'retrying' | 'paused' | 'halted'; readonly problem: string }
  | { readonly state: 'stopped' };

export interface ReactorOptions {
  readonly signal: AbortSignal;
  readonly changed?: (health: ReactorHealth) => void;
  readonly problemOf?: (error: unknown) => string;
}

const BATCH_EVENTS = 500;
/** Over events of other types a checkpoint is saved this often, and after so many. */
const SAVE_EVERY_MS = 1_000;
const SAVE_EVERY_EVENTS = 5_000;
/** Between looks at what is new: a read for each event of a busy log would cost more than what is done about it. */
const LOOK_EVERY_MS = 50;
const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 30_000;
/** Between looks at a log that is not the one of our checkpoint, or is ahead of this release. */
const WAIT_MS = 10_000;

/** The log is not the one that the checkpoint was made on: an operator must look. */
export class ReactorHalted extends Error {
  override readonly name = 'ReactorHalted';
}

/** Runs until the signal aborts; never rejects. */
export async function runReactor(
  deps: ReactorDeps,
  reactor: Reactor,
  options: ReactorOptions,
): Promise<void> {
  const { signal, changed, problemOf } = options;
  let retryMs = MIN_RETRY_MS;
  const progressed = (position: string, live: boolean) => {
    retryMs = MIN_RETRY_MS;
    changed?.({ state: 'running', position, live });
  };
  while (!signal.aborted) {
    try {
      await runSession(deps, reactor, signal, progressed);
    } catch (error) {
      if (signal.aborted) break;
      const problem = problemOf?.(error) ?? `${(error as Error).name}: ${(error as Error).message}`;
      if (error instanceof ReactorHalted || error instanceof NewerSchemaVersion) {
        changed?.({ state: error instanceof ReactorHalted ? 'halted' : 'paused', problem });
        await deps.clock.sleep(WAIT_MS, signal);
      } else {
        changed?.({ state: 'retrying', problem });
        await deps.clock.sleep(retryMs, signal);
        retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
      }
    }
  }
  changed?.({ state: 'stopped' });
}

/** From the checkpoint on, until the signal aborts, something fails, or another runner has moved on. */
async function runSession(
  deps: ReactorDeps,
  reactor: Reactor,
  signal: AbortSignal,
  progressed: (position: string, live: boolean) => void,
): Promise<void> {
  const { log, checkpoints, clock } = deps;
  let saved = await checkpoints.load(reactor.name);
  if (saved) await sameHistory(log, saved);
  const { epoch } = saved ?? (await log.head());
  let at: Bookmark = saved ?? { epoch, position: START, eventId: null };
  let unsavedEvents = 0;
  let savedMs = clock.now();

  const session = new AbortController();
  const end = () => session.abort();
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  try {
    const slices = log.subscribe(at.position, { batchEvents: BATCH_EVENTS, signal: session.signal });
    for await (const slice of slices) {
      if (signal.aborted) return;
      const used = slice.events.filter((event) => reactor.types.has(event.type));
      // Before anything is done about them, and in every quiet second: whose events are these?
      if (used.length > 0 || slice.events.length === 0) await sameHistory(log, at);
      for (const event of used) await reactTo(deps, reactor, event);
      const last = slice.events.at(-1);
      if (last) {
        at = { epoch, position: last.position, eventId: last.id };
        unsavedEvents += slice.events.length;
      }
      const due = clock.now() - savedMs >= SAVE_EVERY_MS || unsavedEvents >= SAVE_EVERY_EVENTS;
      if (unsavedEvents > 0 && (used.length > 0 || due)) {
        // Another runner is ahead: go on from where it stands. What both did, they did once.
        if (!(await checkpoints.save(reactor.name, saved, at))) return;
        saved = at;
        savedMs = clock.now();
        unsavedEvents = 0;
      }
      progressed(at.position, slice.live);
      if (slice.live && slice.events.length > 0) await clock.sleep(LOOK_EVERY_MS, session.signal);
    }
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}

/**
 * What `plinth log restored` does for a reactor: it goes on where it stood if the log still holds the event
 * it stood at, and from the start otherwise, where what it did before meets itself. False: it moved
 * meanwhile; ask again.
 */
export async function adoptReactor(
  deps: Pick<ReactorDeps, 'checkpoints'> & { readonly log: Pick<EventLog, 'head' | 'eventIdAt'> },
  reactor: string,
): Promise<boolean> {
  const bookmark = await deps.checkpoints.load(reactor);
  if (bookmark === null) return true;
  const { epoch } = await deps.log.head();
  if (bookmark.epoch === epoch) return true;
  const { position, eventId } = bookmark;
  const stands = position === START || (await deps.log.eventIdAt(position)) === eventId;
  const to = stands ? { epoch, position, eventId } : { epoch, position: START, eventId: null };
  return deps.checkpoints.save(reactor, bookmark, to);
}

async function reactTo(deps: ReactorDeps, reactor: Reactor, event: Recorded): Promise<void> {
  await reactor.react(
    await decodeOne(deps.codec, event),
    (target, index) => uuidv5('reactor', event.id, reactor.name, target, String(index)) as CommandId,
  );
}

/** Throws `ReactorHalted` when the log has been replaced under the bookmark. */
async function sameHistory(log: ReactorDeps['log'], bookmark: Bookmark): Promise<void> {
  const head = await log.head();
  const halt = (why: string) =>
    new ReactorHalted(
      `The log was replaced: ${why}. If it was restored or copied, run \`plinth log restored\`: then the reactor goes on by itself.`,
    );
  if (head.epoch !== bookmark.epoch) throw halt(`its epoch is ${head.epoch}, ours is ${bookmark.epoch}`);
  if (bookmark.position === START) return;
  if (bookmark.position > head.position) {
    throw halt(`it ends at ${head.position || 'its start'}, before ${bookmark.position}`);
  }
  const eventId = await log.eventIdAt(bookmark.position);
  if (eventId !== bookmark.eventId) throw halt(`another event stands at ${bookmark.position}`);
}
