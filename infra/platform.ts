/**
 * The platform, put together by hand from settings. Read it from top to bottom: what is opened first is
 * closed last.
 */
import type { Settings } from '../schemas/config.ts';
import { type AdminKey, bootstrap } from './platform/admin-key.ts';
import { type ApiLease, takeApiLease } from './platform/api-lease.ts';
import { startApiServer } from './platform/api-server.ts';
import { followErasures, startBackground } from './platform/background.ts';
import { type Engines, openEngines } from './platform/engines.ts';
import { startHealthServer } from './platform/health-server.ts';
import { kafkaWatch } from './platform/kafka-watch.ts';
import { type Projector, startProjector } from './platform/projector.ts';
import { readiness } from './platform/readiness.ts';
import { type RelayRole, startRelay } from './platform/relay-role.ts';
import type { Log } from './telemetry/log.ts';
import { createMetrics } from './telemetry/metrics.ts';

export const roles = ['api', 'projector', 'relay', 'scheduler'] as const;
export type Role = (typeof roles)[number];

export interface Platform {
  readonly engines: Engines;
  /** Where the API listens; null when this process serves none. */
  readonly url: string | null;
  readonly adminKey: AdminKey;
  /** Ends everything in order. Safe to call twice. */
  close(): Promise<void>;
}

export interface PlatformOptions {
  readonly settings: Settings;
  readonly roles: readonly Role[];
  readonly log: Log;
  /** The process must end, for a reason that it cannot mend. */
  readonly failed: (why: string) => void;
  /** Gives up a start that has not ended: what was opened is closed, and `startPlatform` rejects. */
  readonly signal?: AbortSignal;
}

/** How long a start waits for the read models to have caught up before it says that it is there. */
const CATCH_UP_WAIT_MS = 30_000;

export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { settings, log, failed, signal } = options;
  const has = (role: Role) => options.roles.includes(role);
  const metrics = createMetrics();
  const undo: (() => Promise<unknown> | unknown)[] = [() => metrics.close()];
  let draining = false;
  let closing: Promise<void> | null = null;
  const close = () => {
    closing ??= (async () => {
      draining = true;
      if (has('api') && settings.drainSeconds > 0) await engines?.clock.sleep(settings.drainSeconds * 1000);
      for (const end of undo.splice(0).reverse()) {
        try {
          await end();
        } catch (error) {
          log.error({ err: error }, 'something did not close as it should');
        }
      }
    })();
    return closing;
  };

  let engines: Engines | undefined;
  try {
    const opened = await openEngines({
      settings,
      log,
      metrics,
      applicationName: `plinth ${options.roles.join(' ')}`,
      serves: has('api'),
      failed,
      ...(signal ? { signal } : {}),
    });
    engines = opened;
    undo.push(() => opened.close());
    metrics.watch({ pools: () => ({ primary: opened.pool.stats() }) });
    signal?.throwIfAborted();

    const lease: ApiLease | null = has('api')
      ? await takeApiLease({
          pool: opened.pool,
          clock: opened.clock,
          writer: opened.writer,
          redisUrl: settings.redisUrl,
          redisPrefix: settings.redisPrefix,
          lost: failed,
          waiting: (why) => log.warn({ component: 'api' }, why),
          ...(signal ? { signal } : {}),
        })
      : null;
    if (lease) undo.push(() => lease.release());
    const erasures = await followErasures(opened, log);
    undo.push(() => erasures.stop());
    const halts = [() => erasures.halted()];
    signal?.throwIfAborted();
    const adminKey = await bootstrap(opened);

    const asksKafka = has('projector') || has('relay');
    const kafka =
      opened.kafka === null || !asksKafka
        ? null
        : kafkaWatch({
            check: opened.kafka.check,
            brokers: settings.kafkaBrokers ?? [],
            clock: opened.clock,
            log,
          });
    if (kafka) undo.push(() => kafka.stop());
    const kafkaAnswers = () => kafka?.answers() ?? false;
    let projector: Projector | null = null;
    if (has('projector')) {
      const started = startProjector(opened, log, kafkaAnswers);
      projector = started;
      undo.push(() => started.stop());
      metrics.watch({ projections: () => started.health() });
      await caughtUp(opened, started, signal);
      signal?.throwIfAborted();
    }
    let relay: RelayRole | null = null;
    if (has('relay')) {
      const started = await startRelay(opened, log, kafkaAnswers);
      relay = started;
      undo.push(() => started.stop());
      metrics.watch({
        gauges: () => {
          const { lagSeconds, events, transactions, state } = started.health();
          return {
            plinth_relay_lag_seconds: lagSeconds,
            plinth_relay_events: events,
            plinth_relay_transactions: transactions,
            plinth_relay_stopped: state === 'halted' ? 1 : 0,
          };
        },
      });
    }
    if (has('scheduler')) {
      const background = await startBackground(opened, log);
      undo.push(() => background.stop());
      halts.push(() => background.halted());
    }
    let url: string | null = null;
    const ready = readiness({
      engines: opened,
      projector,
      relay,
      serves: has('api'),
      draining: () => draining,
      halted: () => Object.assign({}, ...halts.map((halt) => halt())),
    });
    if (has('api')) {
      const server = await startApiServer({ engines: opened, log, metrics, ready });
      undo.push(() => server.close());
      halts.push(() => server.halted());
      url = server.url;
    } else if (settings.healthPort !== null) {
      const { healthPort: port } = settings;
      const server = await startHealthServer({ engines: opened, log, metrics, ready, port });
      undo.push(() => server.close());
      log.info({ component: 'health', detail: `port ${server.port}` }, 'answers probes');
    }
    log.info({ role: options.roles.join(' '), address: url ?? undefined }, 'started');
    return { engines: opened, url, adminKey, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A projection that cannot catch up does not keep the others from serving: /readyz names it. */
async function caughtUp(
  { clock }: Engines,
  projector: Projector,
  signal: AbortSignal | undefined,
): Promise<void> {
  const startedMs = clock.now();
  const waiting = () =>
    projector.health().some(({ state }) => state === 'starting' || state === 'catching_up');
  while (waiting() && !signal?.aborted && clock.now() - startedMs < CATCH_UP_WAIT_MS) await clock.sleep(20);
}
