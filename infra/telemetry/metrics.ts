/** What the platform tells Prometheus. Names and labels are part of the product: dashboards rely on them. */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ObservedRequest } from '../../api/deps.ts';
import type { RunnerHealth } from '../../projections/runner.ts';
import type { PoolStats } from '../postgres/pool.ts';
import { type CounterSeries, counterFamily, type Family, histogramFamily } from './series.ts';

/** In seconds, with an edge on every objective: 50 ms for what must be fast, 500 ms for all. */
const REQUEST_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const APPEND_BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
/** Route templates, methods and statuses together. */
const MAX_REQUEST_SERIES = 2_000;
const MAX_STATEMENT_SERIES = 500;
const MAX_SMALL_SERIES = 100;

/** Read when metrics are asked for; what a role does not have is left out. */
export interface MetricSources {
  readonly pools?: () => Readonly<Record<string, PoolStats>>;
  readonly projections?: () => readonly RunnerHealth[];
  readonly gauges?: () => Readonly<Record<string, number | null>>;
}

export interface Metrics {
  observe(request: ObservedRequest): void;
  /** One append, from the call to its answer. */
  appended(seconds: number, outcome: 'appended' | 'conflict' | 'failed'): void;
  /** One statement of a pool. */
  queried(name: string, durationMs: number, failed: boolean): void;
  /** One command to Redis, by its outcome; those that were not sent, too. */
  redis(name: string, seconds: number, outcome: string): void;
  verified(code: string): void;
  /** Where the facts of a verify came from. */
  facts(source: string): void;
  /** Where a query over a read model was answered, where there is a replica: by it, or why by the primary. */
  read(by: string): void;
  /** What became of looks into the cache that processes share. */
  shared(event: string, count: number): void;
  /** Something that an operator should notice, by a name of ours. */
  noticed(event: string, count?: number): void;
  /** May be called again: gauges add up to one set, of the rest the last counts. */
  watch(sources: MetricSources): void;
  render(): Promise<{ readonly contentType: string; readonly body: string }>;
  close(): void;
}

/** Single gauges that the platform fills; by name, with what they mean. */
export const gaugeHelp = {
  plinth_cache_entries: 'Keys that verify holds in memory.',
  plinth_limiter_meters: 'Limits in use.',
  plinth_request_memo_evicted: 'Request ids forgotten before their 60 s were over, since the start.',
  plinth_limiter_refused_full: 'Verifies denied because the limiter had no room, since the start.',
  plinth_redis_away: 'Whether Redis, or a node of its cluster, is away.',
  plinth_limiter_fallback: 'Whether limits are judged in this process alone, by its share.',
  plinth_limiter_processes: 'Processes that share limits, this one included.',
  plinth_limiter_leased_units: 'Units that this process has leased and not spent.',
  plinth_usage_dropped: 'Decisions that usage counting had no room for, since the start.',
  plinth_usage_buffered_rows: 'Usage counts that wait to be appended.',
  plinth_credits_lost_units: 'Leased credits that could not be given back, since the start.',
  plinth_personal_fields_lost:
    'Personal fields whose data key is missing although nothing erased it: look into it.',
  plinth_freshness_head_age_seconds: 'Since the last look at the head of the log began.',
  plinth_freshness_poll_age_seconds: 'Since the last poll of changes began.',
  plinth_relay_lag_seconds: 'Age of the oldest event that is not in Kafka yet.',
  plinth_relay_events: 'Events carried to Kafka since the start.',
  plinth_relay_transactions: 'Transactions of the relay since the start.',
  plinth_relay_stopped: 'Whether the relay waits for an operator or an upgrade.',
  plinth_flag_streams: 'Streams that tell of changes of flags, open now.',
  plinth_log_waiting_appends: 'Appends that wait for a call.',
  plinth_hot_folds: 'Streams whose state is kept in memory for the next command.',
  plinth_hot_fold_bytes: 'Bytes of the events that these states were folded from.',
  plinth_hot_fold_hits: 'Folds that went on from a state that was kept, since the start.',
  plinth_hot_fold_misses: 'Folds of streams whose state may be kept that read all of it, since the start.',
} as const satisfies Record<string, string>;

export type GaugeName = keyof typeof gaugeHelp;

export function createMetrics(): Metrics {
  const registry = new Registry();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
  const plain = registry as unknown as Registry<never>;
  collectDefaultMetrics({ register: registry });

  const requests = histogramFamily(plain, {
    name: 'plinth_http_request_duration_seconds',
    help: 'Requests by route template: their rate, errors and duration.',
    bounds: REQUEST_BOUNDS,
    maxSeries: MAX_REQUEST_SERIES,
  });
  const appends = histogramFamily(plain, {
    name: 'plinth_log_append_duration_seconds',
    help: 'Appends to the event log, from the call to the answer.',
    bounds: APPEND_BOUNDS,
    maxSeries: MAX_SMALL_SERIES,
  });
  const statements = histogramFamily(plain, {
    name: 'plinth_database_statement_duration_seconds',
    help: 'Statements sent to PostgreSQL, waiting for a connection included.',
    bounds: APPEND_BOUNDS,
    maxSeries: MAX_STATEMENT_SERIES,
  });
  const commands = histogramFamily(plain, {
    name: 'plinth_redis_command_duration_seconds',
    help: 'Commands to Redis, from the call to the answer or to the deadline.',
    bounds: APPEND_BOUNDS,
    maxSeries: MAX_SMALL_SERIES,
  });
  const counter = (name: string, help: string) =>
    counterFamily(plain, { name, help, maxSeries: MAX_SMALL_SERIES });
  const verifies = counter('plinth_verify_total', 'Verifies by the code that they answered.');
  const sources = counter('plinth_verify_facts_total', 'Verifies by where their facts came from.');
  const reads = counter(
    'plinth_replica_reads_total',
    'Queries where there is a replica: `replica` answered, or why the primary had to.',
  );
  const shares = counter('plinth_shared_cache_total', 'Rows looked for in, and put into, the shared cache.');
  const notices = counter('plinth_notices_total', 'What an operator should look into when it grows.');

  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  let loop = performance.eventLoopUtilization();
  const gauge = (name: string, help: string, collect: (gauge: Gauge) => void) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        collect(this);
      },
    });
  gauge('plinth_event_loop_delay_p99_seconds', 'Delay of the event loop since the last look, p99.', (g) => {
    g.set(delay.percentile(99) / 1e9);
    delay.reset();
  });
  gauge(
    'plinth_event_loop_utilization',
    'Part of the time that the event loop worked since the last look.',
    (g) => {
      const now = performance.eventLoopUtilization();
      g.set(performance.eventLoopUtilization(now, loop).utilization);
      loop = now;
    },
  );

  let watched: Omit<MetricSources, 'gauges'> = {};
  const gauges: NonNullable<MetricSources['gauges']>[] = [];
  labelled(registry, 'plinth_database_connections', 'Connections of a pool.', ['pool', 'state'], () =>
    Object.entries(watched.pools?.() ?? {}).flatMap(([pool, { total, idle, waiting }]) => [
      { labels: { pool, state: 'busy' }, value: total - idle },
      { labels: { pool, state: 'idle' }, value: idle },
      { labels: { pool, state: 'waiting' }, value: waiting },
    ]),
  );
  const ofProjections = (name: string, help: string, value: (health: RunnerHealth) => number | null) =>
    labelled(registry, name, help, ['projection'], () =>
      (watched.projections?.() ?? []).map((health) => ({
        labels: { projection: health.projection },
        value: value(health),
      })),
    );
  ofProjections('plinth_projection_lag_seconds', 'Age of the oldest event not applied.', (h) => h.lagSeconds);
  ofProjections(
    'plinth_projection_parked_streams',
    'Streams that wait for an operator.',
    (h) => h.parkedStreams,
  );
  ofProjections('plinth_projection_events', 'Events advanced over since the start.', (h) => h.events);
  ofProjections('plinth_projection_stopped', 'Whether it waits for an operator or an upgrade.', (h) =>
    h.state === 'halted' || h.state === 'paused' ? 1 : 0,
  );
  for (const [name, help] of Object.entries(gaugeHelp)) {
    labelled(registry, name, help, [], () => {
      const value = gauges.map((read) => read()[name]).find((found) => found !== undefined);
      return value === undefined ? [] : [{ labels: {}, value }];
    });
  }

  return {
    observe({ method, route, status, seconds }) {
      const key = `${status}${method}${route}`;
      requests.of(key, () => ({ method, route, status: String(status) })).observe(seconds);
    },
    appended: (seconds, outcome) => appends.of(outcome, () => ({ outcome })).observe(seconds),
    queried(name, durationMs, failed) {
      const outcome = failed ? 'failed' : 'done';
      statements.of(`${outcome} ${name}`, () => ({ statement: name, outcome })).observe(durationMs / 1000);
    },
    redis: (name, seconds, outcome) =>
      commands.of(`${outcome} ${name}`, () => ({ command: name, outcome })).observe(seconds),
    verified: (code) => one(verifies, 'code', code).add(),
    facts: (source) => one(sources, 'source', source).add(),
    read: (by) => one(reads, 'by', by).add(),
    shared: (event, count) => one(shares, 'event', event).add(count),
    noticed: (event, count = 1) => one(notices, 'event', event).add(count),
    watch({ gauges: more, ...others }) {
      watched = { ...watched, ...others };
      if (more) gauges.push(more);
    },
    async render() {
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
    close() {
      delay.disable();
      registry.clear();
    },
  };
}

function one(family: Family<CounterSeries>, label: string, value: string): CounterSeries {
  return family.of(value, () => ({ [label]: value }));
}

function labelled(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  values: () => readonly { labels: Record<string, string>; value: number | null }[],
): void {
  new Gauge({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, value } of values()) if (value !== null) this.set(labels, value);
    },
  });
}
