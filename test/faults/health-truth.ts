/**
 * What the health of each role (`/readyz`) must say while something happens to an engine, and what it may.
 * Checks are named as there, projections by `projection` alone. Who is not mentioned says that all is well.
 */
import type { RoleName } from '../support/platform-process.ts';

/** An engine that is away is told, by name, by all who need it; from then on for as long as it is. */
export const TOLD_WITHIN_MS = 10_000;
/** Who has not moved for so long, and has something to do, does not say that all is well. */
export const STANDS_STILL_TOLD_WITHIN_MS = 8_000;

export interface Told {
  /** While the engine is away. */
  readonly must: readonly string[];
  /** The same, and until all have recovered. */
  readonly may: readonly string[];
  /** What it answers meanwhile. */
  readonly ready: boolean;
}

export type Truth = Readonly<Partial<Record<RoleName, Told>>>;

const unready = (must: readonly string[], may: readonly string[] = []): Told => ({ must, may, ready: false });
const every = (told: Told): Truth => ({ api: told, scheduler: told, relay: told, projector: told });

/** The API and the scheduler ask nothing of Kafka, and do not know. */
const kafkaAway: Truth = {
  relay: unready(['kafka'], ['relay']),
  projector: unready(['kafka'], ['projection', 'relay']),
};
const postgresAway: Truth = {
  ...every(unready(['database', 'log'])),
  relay: unready(['database', 'log'], ['relay']),
  projector: unready(['database', 'log'], ['projection', 'relay']),
};
const logAway: Truth = {
  ...every(unready(['log'])),
  relay: unready(['log'], ['relay']),
  projector: unready(['log'], ['projection', 'relay']),
};
/** All can do without it, and say that they do. */
const redisAway: Truth = every({ must: ['redis'], may: [], ready: true });
/** What takes over, or starts. */
const rolesAway: Truth = { relay: unready([], ['relay']), projector: unready([], ['projection', 'relay']) };

/** It is there, and may be too slow for some. */
function slow(away: Truth): Truth {
  return Object.fromEntries(
    Object.entries(away).map(([role, { must, may, ready }]) => [
      role,
      { must: [], may: [...must, ...may], ready },
    ]),
  );
}

export const truths: Readonly<Record<string, Truth>> = {
  'roles killed': rolesAway,
  'topics begin anew': rolesAway,
  'kafka killed': kafkaAway,
  'kafka hangs': kafkaAway,
  'kafka hangs shortly': slow(kafkaAway),
  'kafka cut': kafkaAway,
  'kafka slow': slow(kafkaAway),
  // It is started again within a second.
  'postgres killed': slow(postgresAway),
  'postgres hangs': postgresAway,
  'postgres cut': postgresAway,
  'postgres slow': slow(postgresAway),
  'redis killed': redisAway,
  'redis hangs': redisAway,
  'redis cut': redisAway,
  'redis slow': slow(redisAway),
  'redis flushed': {},
  'log restarted': slow(logAway),
  'log hangs': logAway,
  'log refuses': logAway,
  'log loses answers to appends': slow(logAway),
  'log ends subscriptions': slow(logAway),
};
