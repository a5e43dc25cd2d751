/**
 * Queries over read models. Where there is a replica it is asked first, without waiting: when it has not
 * reached the position that is asked for, may not answer (`replica-gate.ts`) or fails, the primary is, and
 * there a read waits for its position.
 */
import type { Clock } from '../../commands/clock.ts';
import type { Hints } from '../../projections/hints.ts';
import type { ReadModels, ReadOptions } from '../../projections/read-models.ts';
import { withDeadline } from '../../projections/single-flight.ts';
import type { Position } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { isTransient, sqlState } from './errors.ts';
import { listen } from './listen.ts';
import type { Pool } from './pool.ts';
import { positionWaits } from './position-waits.ts';
import { type Answer, type Query, readSnapshot } from './read-snapshot.ts';
import { type ReplicaFallback, replicaGate } from './replica-gate.ts';
import { PROJECTIONS_CHANNEL } from './revision-tables.ts';

/** How long a read waits for a position when it does not say. */
export const DEFAULT_WAIT_MS = 2000;
/** A read waits no longer than this, whatever it says. */
export const MAX_WAIT_MS = 10_000;
/** From the asking to the answer; then the same is asked of the primary. */
const REPLICA_DEADLINE_MS = 3_000;

/** Class of SQLSTATE. */
const DATA_EXCEPTION = '22';

/** For the replica's pool: what hangs there must not hold its connections for long. */
export const REPLICA_LIMITS = {
  connectTimeoutMs: 1_000,
  statementTimeoutMs: REPLICA_DEADLINE_MS,
  answerTimeoutMs: REPLICA_DEADLINE_MS,
} as const;

export interface ReadModelsOptions {
  readonly primary: Pool;
  readonly replica?: Pool | undefined;
  readonly clock: Clock;
  /** More that may say that a projection has moved, besides the notifications of the primary. */
  readonly hints?: Hints | undefined;
  /** Of every read where there is a replica: it answered, or why the primary had to. */
  readonly onRead?: ((by: 'replica' | ReplicaFallback) => void) | undefined;
}

export interface PostgresReadModels extends ReadModels {
  /** A runner of this process has committed: who waits for it need not wait for the notification. */
  moved(projection: string, position: Position): void;
  /** Stops listening. */
  close(): Promise<void>;
}

export function postgresReadModels(options: ReadModelsOptions): PostgresReadModels {
  const { primary, replica, clock, hints, onRead } = options;
  const closing = new AbortController();
  const waits = positionWaits(primary, clock, closing.signal);
  const gate = replicaGate(primary, clock);
  let listening: Promise<unknown> | undefined;

  /** The listener starts with the first read that may have to wait. */
  const listenOnce = (): void => {
    const { signal } = closing;
    listening ??= Promise.all([
      listen({
        connectionString: primary.connectionString,
        applicationName: primary.applicationName,
        channel: PROJECTIONS_CHANNEL,
        clock,
        signal,
        hint: (payload) => waits.hint(payload),
      }),
      hints?.listen((projection) => waits.hint(projection), signal),
    ]);
  };

  /** What the replica answers, or why the primary must. */
  async function askReplica<R>(
    pool: Pool,
    projection: string,
    readOptions: ReadOptions,
    query: Query<R>,
  ): Promise<Extract<Answer<R>, { kind: 'read' }> | ReplicaFallback> {
    const closed = await gate.closed();
    if (closed !== null) return closed;
    let why: ReplicaFallback | null = 'history';
    const names = [projection, ...(readOptions.also ?? [])];
    const reading = readSnapshot(pool, projection, readOptions, query, (places) => {
      const here = names.map((name) => places.get(name));
      if (!here.every((place) => place !== undefined && place.halted === null)) return false;
      why = gate.judge(here.filter((place) => place !== undefined));
      return why === null;
    });
    const answer = await withDeadline(clock, REPLICA_DEADLINE_MS, reading).catch(
      (error: unknown): Answer<R> => ({ kind: 'failed', error }),
    );
    if (answer.kind === 'failed' && mayBeTheReplica(answer.error)) {
      gate.failed();
      return 'failed';
    }
    gate.answered();
    if (answer.kind === 'failed') throw answer.error;
    if (answer.kind === 'behind') return 'behind';
    return answer.kind === 'declined' ? (why ?? 'history') : answer;
  }

  return {
    async read(projection, readOptions, query) {
      if (replica !== undefined) {
        const answer = await askReplica(replica, projection, readOptions, query);
        onRead?.(typeof answer === 'string' ? answer : 'replica');
        if (typeof answer !== 'string') return { result: answer.result, stamp: answer.stamp };
      }
      const deadlineMs = clock.now() + Math.min(readOptions.waitMs ?? DEFAULT_WAIT_MS, MAX_WAIT_MS);
      const { atLeast } = readOptions;
      if (atLeast !== undefined) listenOnce();
      for (;;) {
        if (atLeast !== undefined) await waits.reached(projection, atLeast, deadlineMs - clock.now());
        const answer = await readSnapshot(primary, projection, readOptions, query);
        if (answer.kind === 'failed') throw answer.error;
        if (answer.kind === 'declined') throw new Error('nothing declines to read from the primary');
        const { position } = answer.kind === 'read' ? answer.stamp : answer;
        if (atLeast !== undefined) waits.saw(projection, position);
        if (answer.kind === 'read') return { result: answer.result, stamp: answer.stamp };
        if (clock.now() >= deadlineMs || closing.signal.aborted) {
          throw new PlinthError(
            'projection_behind',
            `Projection ${projection} is at ${position || 'its start'}, before ${atLeast}.`,
          );
        }
      }
    },
    moved: (projection, position) => waits.moved(projection, position),
    async close() {
      closing.abort();
      await listening;
    },
  };
}

/**
 * Not what the query says of its data: that the primary would say as well. A replica may refuse who logs in,
 * and lack what the last migration made. A read that changes nothing may be repeated.
 */
function mayBeTheReplica(error: unknown): boolean {
  if (error instanceof PlinthError) return false;
  const state = sqlState(error);
  if (state !== null) return !state.startsWith(DATA_EXCEPTION);
  return isTransient(error) || (error as Error)?.name === 'DeadlineExceeded';
}
