/**
 * Whether this process can do its work now, and which dependency stands in the way. Redis is told and never
 * does: without it, less is shared. Nor does Kafka where the API is served, which goes on without.
 */
import type { DependencyCheck, Readiness } from '../../api/deps.ts';
import { within } from '../within.ts';
import type { Engines } from './engines.ts';
import type { Projector } from './projector.ts';
import type { RelayRole } from './relay-role.ts';

/** Probes come often: one look serves all that come within this time. */
const CACHED_MS = 500;
const LOOK_TIMEOUT_MS = 2_000;
/** A dependency must fail this often in a row to count: one lost packet is no outage. */
const FAILURES_TO_COUNT = 2;

export interface ReadinessSources {
  readonly engines: Engines;
  /** Null when this process runs none. */
  readonly projector: Projector | null;
  readonly relay: RelayRole | null;
  /** It serves the API: a relay or a Kafka that stands still is told, and takes no traffic from it. */
  readonly serves: boolean;
  readonly draining: () => boolean;
}

export function readiness(sources: ReadinessSources): () => Promise<Readiness> {
  const { engines, projector, relay, serves, draining } = sources;
  const { clock } = engines;
  const failures = new Map<string, number>();
  let lookedMs = Number.NEGATIVE_INFINITY;
  let seen: Promise<Record<string, DependencyCheck>> = Promise.resolve({});

  const check = async (name: string, look: () => Promise<unknown>): Promise<[string, DependencyCheck]> => {
    try {
      await within(clock, LOOK_TIMEOUT_MS, name, look());
      failures.set(name, 0);
      return [name, { ok: true, detail: null }];
    } catch (error) {
      const count = (failures.get(name) ?? 0) + 1;
      failures.set(name, count);
      return [name, { ok: count < FAILURES_TO_COUNT && lookedMs > 0, detail: (error as Error).name }];
    }
  };
  const look = async (): Promise<Record<string, DependencyCheck>> => {
    const checks = await Promise.all([
      check('log', () => engines.log.head()),
      check('database', () => engines.pool.query('SELECT 1')),
      ...(engines.keyPool === engines.pool
        ? []
        : [check('data-keys', () => engines.keyPool.query('SELECT 1'))]),
      // A relay that waits for an answer of Kafka does not say so for as long as a transaction may take.
      ...(engines.kafka !== null && (relay !== null || projector !== null)
        ? [check('kafka', () => engines.kafka!.check())]
        : []),
    ]);
    const projections = projector?.health() ?? [];
    const runners = projections.map(({ projection, state, problem, feed }): [string, DependencyCheck] => {
      const ok = state === 'live' || state === 'standby' || state === 'catching_up';
      const detail = problem ?? (ok ? null : state);
      const fedBy = feed === null ? 'log' : 'kafka';
      return [`projection:${projection}`, { ok, detail, fedBy, generation: feed?.generation ?? null }];
    });
    const relays = relay === null ? [] : [relay.health()];
    const carriers = relays.map(({ state, problem }): [string, DependencyCheck] => {
      const ok = state === 'live' || state === 'standby' || state === 'catching_up';
      return ['relay', { ok, detail: ok ? null : (problem ?? state) }];
    });
    // One that should work elsewhere is known by what it does not bring.
    const awaited = projections.find(({ relayStandsAt }) => relayStandsAt !== null);
    if (relay === null && awaited) carriers.push(['relay', { ok: false, detail: awaited.problem }]);
    const shared = engines.redis === null ? [] : [engines.redis.connection.state()];
    const helpers = shared.map((state): [string, DependencyCheck] => {
      return ['redis', { ok: state === 'ready', detail: state === 'ready' ? null : state }];
    });
    return Object.fromEntries([...checks, ...runners, ...carriers, ...helpers]);
  };
  return async () => {
    const nowMs = clock.now();
    if (nowMs - lookedMs > CACHED_MS) {
      seen = look();
      lookedMs = nowMs;
    }
    const checks = {
      ...(await seen),
      ...(draining() ? { process: { ok: false, detail: 'it is stopping' } } : {}),
    };
    const ready = Object.entries(checks).every(
      ([name, { ok }]) => ok || name === 'redis' || (serves && (name === 'relay' || name === 'kafka')),
    );
    return { ready, checks };
  };
}
