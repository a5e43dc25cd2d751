/** The role that serves the HTTP API: verify with its caches, usage counting, and the routes. */
import type { AddressInfo } from 'node:net';
import { buildApp } from '../../api/app.ts';
import type { Readiness } from '../../api/deps.ts';
import { clientLimit } from '../../api/flags/client-limit.ts';
import { flagEvents } from '../../api/flags/flag-events.ts';
import { flagServing } from '../../api/flags/flag-serving.ts';
import { allRoutes } from '../../api/routes/all-routes.ts';
import { VERIFY_ROUTE } from '../../api/routes/verify.ts';
import type { Services } from '../../api/services.ts';
import { confirmedReads } from '../../api/verify/confirm-log.ts';
import { createVerifier } from '../../api/verify/verifier.ts';
import type { LastRead } from '../../commands/execute.ts';
import { creditLeases } from '../../commands/keys/credit-leases.ts';
import { requestDigest } from '../../commands/request-digest.ts';
import { UsageRecorder } from '../../commands/usage/usage-recorder.ts';
import { hurriedBy } from '../../projections/hints.ts';
import { verifyRowLoader } from '../../projections/keys/verify-row.ts';
import { relayProblem } from '../../projections/relay-standing.ts';
import type { Epoch } from '../../schemas/envelope.ts';
import { InProcessLimiter } from '../limiter/in-process-limiter.ts';
import { outageOf } from '../outage.ts';
import { postgresChangesSource } from '../postgres/changes-source.ts';
import { revisionTables } from '../postgres/revision-tables.ts';
import { redisSharedCache } from '../redis/shared-cache.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { apiLimiter } from './api-limiter.ts';
import type { Engines } from './engines.ts';
import { VERSION } from './version.ts';

export interface ApiServer {
  readonly url: string;
  /** Why nothing is served until an operator acts, by name. */
  halted(): Readonly<Record<string, string>>;
  /** Requests in flight end; then credits are given back and usage is told. */
  close(): Promise<void>;
}

export interface ApiServerOptions {
  readonly engines: Engines;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly ready: () => Promise<Readiness>;
}

/** With a key each, in use at one time; about 150 bytes each. */
const MAX_CLIENT_ADDRESSES = 100_000;

export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { engines, log, metrics, ready } = options;
  const { settings, clock, random, pool, codec, keyDeps, keyring, writer } = engines;
  const recorder = new UsageRecorder({
    log: engines.log,
    codec,
    clock,
    random,
    writer,
    confirm: () => verifier.confirm(null),
    onError: (error) => {
      metrics.noticed('usage_flush_failed');
      log.warn({ component: 'usage', err: error }, 'usage could not be told to the log; it is tried again');
    },
  });
  const { redis } = engines;
  const limits = await apiLimiter(engines);
  const { limiter } = limits;
  const changes = postgresChangesSource(pool, 'keys', { clock });
  // Clients are told of no refusal, and nothing that was, by a log that may be another.
  const execute = { ...keyDeps, confirm: (last: LastRead) => verifier.confirm(last) };
  const verifier = createVerifier({
    log: engines.log,
    codec,
    changes: redis ? hurriedBy(redis.hints, 'keys', changes) : changes,
    loadRows: verifyRowLoader(pool, (revision) => revisionTables('keys', revision)),
    peppers: keyring.peppers,
    limiter,
    leases: creditLeases(execute, writer),
    clock,
    record: (tenant, keyId, code, route, traceId) => {
      // Callers of our own API are judged by the same code; they count as usage, not as verifies.
      if (route === VERIFY_ROUTE) metrics.verified(code);
      recorder.record(tenant, keyId, code, route, traceId);
    },
    onUnknown: () => metrics.verified('NOT_FOUND'),
    onFreshness: (event, detail) => {
      metrics.noticed(`freshness_${event}`);
      if (event === 'halted')
        log.error({ component: 'verify', detail }, 'verify trusts nothing until an operator acts');
    },
    onFacts: metrics.facts,
    shared: redis
      ? { cache: redisSharedCache(redis.connection), secret: keyring.derive('shared-cache') }
      : undefined,
    onShared: metrics.shared,
    maxEntries: settings.cacheEntries,
  });
  verifier.freshness.onDrop(() => engines.hotFolds.drop());
  metrics.watch({
    gauges: () => {
      const ages = verifier.freshness.gauges();
      const seconds = (ms: number | null) => (ms === null ? null : ms / 1000);
      return {
        plinth_cache_entries: verifier.cache.size,
        ...limits.gauges(),
        plinth_request_memo_evicted: verifier.memo.evicted,
        plinth_usage_dropped: recorder.dropped,
        plinth_usage_buffered_rows: recorder.bufferedRows,
        plinth_credits_lost_units: verifier.credits.lostUnits,
        plinth_freshness_head_age_seconds: seconds(ages.headAgeMs),
        plinth_freshness_poll_age_seconds: seconds(ages.pollAgeMs),
        plinth_flag_streams: telling.flagEvents.hub.streams,
        plinth_log_waiting_appends: engines.ownLog.waitingAppends(),
      };
    },
  });
  const telling = flagEvents({
    clock,
    random,
    epoch: () => currentEpoch(),
    served: () => serving.sets,
    key: keyring.derive('flag-streams').reveal(),
    stillGood: (keyId) => verifier.stillGood(keyId),
  });
  const flagChanges = postgresChangesSource(pool, 'flags', { clock });
  const serving = flagServing({
    log: engines.log,
    codec: engines.codec,
    readModels: engines.readModels,
    changes: redis ? hurriedBy(redis.hints, 'flags', flagChanges) : flagChanges,
    clock,
    graceMs: settings.flagsGraceSeconds * 1000,
    changed: (change) => telling.flagEvents.hub.tell(change),
    onFreshness: (event, detail) => {
      metrics.noticed(`flags_${event}`);
      if (event === 'halted')
        log.error({ component: 'flags', detail }, 'no flag is evaluated until an operator acts');
    },
  });
  recorder.start();
  verifier.start();
  serving.start();

  // Positions are handed out in the history that the head was last seen in.
  let epoch: Epoch = (await engines.log.head()).epoch;
  const currentEpoch = () => {
    epoch = verifier.freshness.head?.epoch ?? epoch;
    return epoch;
  };
  const digestKey = keyring.derive('request-digest');
  const services: Services = {
    clock,
    epoch: currentEpoch,
    execute,
    log: confirmedReads(engines.log, verifier.confirm),
    dataKeys: engines.dataKeys,
    readModels: engines.readModels,
    projections: engines.store,
    relayProblem: engines.kafka
      ? relayProblem({ feed: engines.kafka.feed, log: engines.log, clock })
      : async () => null,
    members: engines.kafka?.members ?? null,
    cursorKey: keyring.derive('cursor').reveal(),
    verifier,
    limiter,
    flags: serving.sets,
    ...telling,
    // Of this process alone: it is asked with every evaluation, and guards against few.
    clientLimit: clientLimit(
      new InProcessLimiter(clock, MAX_CLIENT_ADDRESSES),
      settings.flagsClientRequestsPerMinute,
    ),
  };
  const app = buildApp(
    {
      clock,
      random,
      logger: log,
      authenticate: (credential, peer, uses) => verifier.authenticate(credential, peer, uses),
      ...(settings.trustedProxies ? { trustedProxies: settings.trustedProxies } : {}),
      epoch: currentEpoch,
      requestDigest: (body) => requestDigest(digestKey, body),
      outage: outageOf,
      observe: metrics.observe,
      live: () => true,
      ready,
      metrics: metrics.render,
      version: VERSION,
      services,
    },
    allRoutes,
  );
  const closeVerifier = async () => {
    telling.flagEvents.hub.close();
    await serving.close();
    const lost = await verifier.close();
    await limits.close();
    const dropped = await recorder.close();
    log.debug(
      { component: 'api', detail: `${String(lost)} ${String(dropped)}` },
      'verify and usage are closed',
    );
  };
  try {
    await app.listen({ host: settings.host, port: settings.port });
  } catch (error) {
    await closeVerifier().catch(() => {});
    throw error;
  }
  const { port } = app.server.address() as AddressInfo;
  const host = settings.host.includes(':')
    ? `[${settings.host}]`
    : settings.host === '0.0.0.0'
      ? '127.0.0.1'
      : settings.host;
  return {
    url: `http://${host}:${port}`,
    halted(): Readonly<Record<string, string>> {
      const why = verifier.freshness.halted;
      return why === null ? {} : { verify: why };
    },
    async close() {
      await app.close();
      await closeVerifier();
    },
  };
}
