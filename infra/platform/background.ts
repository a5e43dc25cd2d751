/** The roles that give commands by themselves: what falls due with time, and what follows from events. */
import { type Reactor, runReactor } from '../../commands/reactor.ts';
import { keysDueToExpire, keysOfOwner } from '../../projections/keys/due-keys.ts';
import { catchUpErasures, runErasureFollower } from '../../workers/erasure-follower.ts';
import { FLAG_SPREAD, flagSpread } from '../../workers/flag-spread.ts';
import { OWNER_REVOCATION, ownerRevocation } from '../../workers/owner-revocation.ts';
import { runScheduler } from '../../workers/scheduler.ts';
import { postgresReactorCheckpoints } from '../postgres/reactor-checkpoints.ts';
import type { Log } from '../telemetry/log.ts';
import type { Engines } from './engines.ts';
import { problemOf } from './problem-of.ts';
import { tellReactor } from './tell-reactor.ts';
import { tellScheduler } from './tell-scheduler.ts';

/** Every reactor by the name of its checkpoint. */
export const reactorNames: readonly string[] = [OWNER_REVOCATION, FLAG_SPREAD];

/** How long a reactor waits for the read model that it asks; then it tries again. */
const READ_WAIT_MS = 10_000;

/**
 * What every process runs, whatever its role: it refuses data keys that an erasure has named. Answers when
 * all erasures that the log holds now are carried out, for nothing may be encrypted or decrypted before.
 */
export async function followErasures(engines: Engines, log: Log): Promise<Background> {
  const stop = new AbortController();
  await catchUpErasures(engines, stop.signal);
  const teller = tellReactor(log, engines.clock, 'erasures');
  const running = runErasureFollower(engines, {
    signal: stop.signal,
    changed: teller.changed,
    problemOf: problemOf(engines.settings),
  });
  return {
    halted: teller.halted,
    async stop() {
      stop.abort();
      await running;
      teller.stop();
    },
  };
}

export interface Background {
  /** What waits for an operator, by name, and why. */
  halted(): Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export async function startBackground(engines: Engines, log: Log): Promise<Background> {
  const { keyDeps, readModels, clock, codec } = engines;
  const stop = new AbortController();
  const checkpoints = await postgresReactorCheckpoints(engines.pool);
  const scheduler = tellScheduler(log, clock);
  const tellers = reactorNames.map((name) => tellReactor(log, clock, name));
  const reactors: readonly Reactor[] = [
    ownerRevocation(keyDeps, async (tenant, ownerId, { after, limit, atLeast }) => {
      const { result } = await readModels.read('keys', { atLeast, waitMs: READ_WAIT_MS }, (tx, keys) =>
        keysOfOwner(tx, keys, tenant, ownerId, { after, limit }),
      );
      return result;
    }),
    flagSpread(keyDeps),
  ];
  const running = [
    runScheduler(keyDeps, {
      signal: stop.signal,
      keysDueToExpire: async (nowMs, limit) =>
        (await readModels.read('keys', {}, (tx, keys) => keysDueToExpire(tx, keys, nowMs, limit))).result,
      ran: scheduler.ran,
      problemOf: problemOf(engines.settings),
    }),
    ...reactors.map((reactor, i) =>
      runReactor({ log: engines.log, codec, clock, checkpoints }, reactor, {
        signal: stop.signal,
        changed: tellers[i]!.changed,
        problemOf: problemOf(engines.settings),
      }),
    ),
  ];
  return {
    halted: () => Object.assign({}, ...tellers.map((teller) => teller.halted())),
    async stop() {
      stop.abort();
      await Promise.all(running);
      for (const teller of tellers) teller.stop();
      scheduler.stop();
    },
  };
}
