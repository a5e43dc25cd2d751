/**
 * Whether this process can do its work now, and which dependency stands in the way. Redis is told and never
 * does: without it, less is shared. Nor does Kafka where the API is served, which goes on without.
 */
import type { DependencyCheck, Readiness } from '../../api/deps.ts';
import type { RunnerHealth } from '../../projections/runner.ts';
import type { Position } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { RelayHealth } from '../../workers/relay.ts';
import type { Engine } from '../engine-of.ts';
import { troubleWith } from '../engine-trouble.ts';
import { within } from '../within.ts';
import type { Engines } from './engines.ts';
import type { Projector } from './projector.ts';
import type { RelayRole } from './relay-role.ts';
import { standstill } from './standstill.ts';

/** Probes come often: one look serves all that come within this time. */
const CACHED_MS = 500;
const LOOK_TIMEOUT_MS = 2_000;
/** What has answered before must fail this often in a row to count: one lost packet is no outage. */
const FAILURES_TO_COUNT = 2;

export interface ReadinessSources {
  readonly engines: Engines;
  /** Null when this process runs none. */
  readonly projector: Projector | null;
  readonly relay: RelayRole | null;
  /** It serves the API: a relay or a Kafka that stands still is told, and takes no traffic from it. */
  readonly serves: boolean;
  readonly draining: () => boolean;
  /** What else waits for an operator here, by name, and why. */
  readonly halted: () => Readonly<Record<string, string>>;
}

/** A relay, or the runner of a projection. */
type Following = Pick<RelayHealth, 'state' | 'problem'> | Pick<RunnerHealth, 'state' | 'problem'>;

export function readiness(sources: ReadinessSources): () => Promise<Readiness> {
  const { engines, projector, relay, serves, draining, halted } = sources;
  const { clock } = engines;
  const standsStill = standstill(clock);
  let head: Position | null = null;
  /** Since the last answer, by check; none where there never was one. */
  const failures = new Map<string, number>();
  let lookedMs = Number.NEGATIVE_INFINITY;
  let seen: Promise<Record<string, DependencyCheck>> = Promise.resolve({});

  const check = async (
    name: string,
    [engine, setting]: [Engine, string | null],
    look: () => Promise<unknown>,
  ): Promise<[string, DependencyCheck]> => {
    try {
      await within(clock, LOOK_TIMEOUT_MS, name, look());
      failures.set(name, 0);
      return [name, { ok: true, detail: null }];
    } catch (error) {
      // It has answered, and not as one that is away.
      if (error instanceof PlinthError) return [name, { ok: false, detail: error.rejection.detail }];
      const before = failures.get(name);
      if (before !== undefined) failures.set(name, before + 1);
      if (before !== undefined && before + 1 < FAILURES_TO_COUNT) return [name, { ok: true, detail: null }];
      return [name, { ok: false, detail: troubleWith(engine, setting, error) }];
    }
  };
  const { databaseUrl, dataKeysUrl, eventLogUrl } = engines.settings;
  const primary: [Engine, string | null] = ['PostgreSQL', databaseUrl === null ? null : 'DATABASE_URL'];
  const logEngine: typeof primary = eventLogUrl === null ? primary : ['EventStoreDB', 'EVENT_LOG_URL'];
  const keyEngine: typeof primary = dataKeysUrl === null ? primary : ['PostgreSQL', 'DATA_KEYS_URL'];
  const look = async (): Promise<Record<string, DependencyCheck>> => {
    const checks = await Promise.all([
      check('log', logEngine, async () => {
        head = (await engines.log.head()).position;
      }),
      check('database', primary, () => engines.pool.query('SELECT 1')),
      ...(engines.keyPool === engines.pool
        ? []
        : [check('data-keys', keyEngine, () => engines.keyPool.query('SELECT 1'))]),
      // A relay that waits for an answer of Kafka does not say so for as long as a transaction may take.
      ...(engines.kafka !== null && (relay !== null || projector !== null)
        ? [check('kafka', ['Kafka', 'KAFKA_BROKERS'], () => engines.kafka!.check())]
        : []),
    ]);
    /** Of one that follows the log, and `waits`: it does not come further although the log goes on. */
    const follows = ({ state, problem }: Following, waits: boolean): DependencyCheck => {
      const works = state === 'live' || state === 'catching_up';
      // Reads say themselves how far they are.
      const ok = state === 'standby' || (works && (!waits || serves));
      return { ok, detail: problem ?? (waits ? 'events wait, and nothing moves' : ok ? null : state) };
    };
    const movable = ({ state, position }: RelayHealth | RunnerHealth) =>
      state === 'live' || state === 'catching_up' ? (position as Position | null) : null;
    const projections = projector?.health() ?? [];
    const runners = projections.map((one): [string, DependencyCheck] => {
      const { feed, relayStandsAt } = one;
      const name = `projection:${one.projection}`;
      // Where the relay is to blame it is told in its own name.
      const waits = standsStill(name, movable(one), head) && relayStandsAt === null;
      const fedBy = feed === null ? 'log' : 'kafka';
      return [name, { ...follows(one, waits), fedBy, generation: feed?.generation ?? null }];
    });
    const carriers = (relay === null ? [] : [relay.health()]).map((one): [string, DependencyCheck] => {
      return ['relay', follows(one, standsStill('relay', movable(one), head))];
    });
    // One that should work elsewhere is known by what it does not bring.
    const awaited = projections.find(({ relayStandsAt }) => relayStandsAt !== null);
    if (relay === null && awaited) carriers.push(['relay', { ok: false, detail: awaited.problem }]);
    const shared = engines.redis === null ? [] : [engines.redis.connection.problem()];
    const helpers = shared.map((detail): [string, DependencyCheck] => {
      return ['redis', { ok: detail === null, detail }];
    });
    return Object.fromEntries([...checks, ...runners, ...carriers, ...helpers]);
  };
  return async () => {
    const nowMs = clock.now();
    if (nowMs - lookedMs > CACHED_MS) {
      seen = look();
      lookedMs = nowMs;
    }
    const halts = Object.entries(halted()).map(([name, detail]) => [name, { ok: false, detail }] as const);
    const checks: Record<string, DependencyCheck> = {
      ...(await seen),
      ...Object.fromEntries(halts),
      ...(draining() ? { process: { ok: false, detail: 'it is stopping' } } : {}),
    };
    const ready = Object.entries(checks).every(
      ([name, { ok }]) => ok || name === 'redis' || (serves && (name === 'relay' || name === 'kafka')),
    );
    return { ready, checks };
  };
}
