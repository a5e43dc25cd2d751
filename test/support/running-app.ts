/** The whole API on a real PostgreSQL, with every role in this process. */
import type { FastifyInstance } from 'fastify';
import { buildApp } from '../../api/app.ts';
import { clientLimit } from '../../api/flags/client-limit.ts';
import { flagEvents } from '../../api/flags/flag-events.ts';
import { flagServing } from '../../api/flags/flag-serving.ts';
import type { OpenApiDocument } from '../../api/openapi/document.ts';
import { allRoutes } from '../../api/routes/all-routes.ts';
import type { Services } from '../../api/services.ts';
import { confirmedReads } from '../../api/verify/confirm-log.ts';
import { createVerifier } from '../../api/verify/verifier.ts';
import type { EventLog } from '../../commands/event-log.ts';
import { HotFolds } from '../../commands/hot-folds.ts';
import { creditLeases } from '../../commands/keys/credit-leases.ts';
import { issueKey } from '../../commands/keys/issue-key.ts';
import { personalCodec } from '../../commands/personal-codec.ts';
import { requestDigest } from '../../commands/request-digest.ts';
import { KEYS_COLLECTION } from '../../commands/streams.ts';
import { systemContext } from '../../commands/system-context.ts';
import { createTenant } from '../../commands/tenants/create-tenant.ts';
import { DEFAULT_TENANT, DEFAULT_TENANT_SLUG } from '../../commands/tenants/default-tenant.ts';
import { UsageRecorder } from '../../commands/usage/usage-recorder.ts';
import { openPostgresEventLog } from '../../infra/event-log/postgres-event-log.ts';
import { InProcessLimiter } from '../../infra/limiter/in-process-limiter.ts';
import { postgresChangesSource } from '../../infra/postgres/changes-source.ts';
import { openPostgresDataKeys } from '../../infra/postgres/data-keys.ts';
import { createPool } from '../../infra/postgres/pool.ts';
import { migrateProjections, postgresProjectionStore } from '../../infra/postgres/projection-store.ts';
import { postgresReadModels } from '../../infra/postgres/read-models.ts';
import { revisionTables } from '../../infra/postgres/revision-tables.ts';
import { keyringOf } from '../../infra/secrets/keyring.ts';
import { systemClock, systemRandom } from '../../infra/system-clock.ts';
import { projectionCatalogue } from '../../projections/catalogue.ts';
import { verifyRowLoader } from '../../projections/keys/verify-row.ts';
import { projectionRunner } from '../../projections/runner.ts';
import { issueKeySchema } from '../../schemas/commands/keys.ts';
import type { TenantId } from '../../schemas/envelope.ts';
import { eventCatalogue } from '../../schemas/events/catalogue.ts';
import { runErasureFollower } from '../../workers/erasure-follower.ts';
import { type Cleanup, testDatabase } from './postgres.ts';

export interface IssuedKey {
  readonly id: string;
  readonly secret: string;
  readonly hint: string;
}

export interface RunningApp {
  readonly app: FastifyInstance;
  readonly document: OpenApiDocument;
  /** A management key of the default tenant that may do everything. */
  readonly admin: IssuedKey;
  /** A key of use `api` in the default tenant, with a name and an owner. */
  readonly key: IssuedKey & { readonly name: string; readonly ownerId: string };
  /** A key of use `flags-server` for an environment that has a flag. */
  readonly flagsKey: IssuedKey;
  readonly tenantId: TenantId;
  /** Another tenant, and a management key of it that may do everything there. */
  readonly other: IssuedKey & { readonly tenantId: string };
  /** The log itself, for events that no command would write. */
  readonly log: EventLog;
  now(): number;
  /** With the admin key. The answer's JSON; throws when it is not 2xx. */
  get(url: string): Promise<Record<string, unknown>>;
  post(url: string, body: object): Promise<Record<string, unknown>>;
  issue(body: object): Promise<IssuedKey>;
  /** What `whoami` answers to a credential. */
  status(secret: string): Promise<number>;
  /** Asks again until it holds. */
  until(holds: () => Promise<boolean>): Promise<void>;
}

const MAX_UNTIL_MS = 30_000;

export async function runningApp(t: Cleanup): Promise<RunningApp> {
  const house = await openHouse(t);
  const { app } = house;
  await app.ready();

  const call = async (method: 'GET' | 'POST', url: string, secret: string, body?: object) => {
    const answer = await app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${secret}` },
      ...(body === undefined ? {} : { payload: body }),
    });
    if (answer.statusCode >= 300) throw new Error(`${method} ${url}: ${answer.statusCode} ${answer.payload}`);
    return answer.json<Record<string, unknown>>();
  };
  const issuedOf = (answer: Record<string, unknown>): IssuedKey => {
    const key = answer.key as { id: string; secrets: { hint: string }[] };
    return { id: key.id, secret: answer.secret as string, hint: key.secrets.at(-1)!.hint };
  };
  const status = async (secret: string) =>
    (await app.inject({ url: '/v1/whoami', headers: { authorization: `Bearer ${secret}` } })).statusCode;
  const until = async (holds: () => Promise<boolean>) => {
    const endMs = systemClock.now() + MAX_UNTIL_MS;
    while (!(await holds())) {
      if (systemClock.now() > endMs) throw new Error(`it did not come true in ${MAX_UNTIL_MS} ms`);
      await systemClock.sleep(20);
    }
  };

  const { admin } = house;
  await until(async () => (await status(admin.secret)) === 200);
  const issue = async (body: object) => issuedOf(await call('POST', '/v1/keys', admin.secret, body));
  const name = 'The first tenant’s own name';
  const key = {
    ...(await issue({ name, ownerId: 'first-owner', scopes: ['a:b'] })),
    name,
    ownerId: 'first-owner',
  };
  const tenant = await call('POST', '/v1/tenants', admin.secret, { slug: 'other' });
  const tenantId = tenant.id as string;
  const other = issuedOf(await call('POST', `/v1/tenants/${tenantId}/admin-keys`, admin.secret, {}));
  await until(async () => (await status(other.secret)) === 200);
  await until(async () => {
    // 503 as long as one of the projections that a list reads has not been made.
    const list = call('GET', '/v1/keys?q=The%20first', admin.secret);
    const { keys } = await list.catch(() => ({ keys: [] }));
    return (keys as unknown[]).length === 1;
  });
  await makeFlag((path, body) => call('POST', path, admin.secret, body));
  const flagsKey = await issue({
    use: 'flags-server',
    environment: { project: 'shop', environment: 'production' },
  });
  await until(async () => {
    const headers = { 'x-api-key': flagsKey.secret };
    const url = '/ofrep/v1/evaluate/flags/new-checkout';
    return (await app.inject({ method: 'POST', url, headers })).statusCode === 200;
  });
  const document = (await app.inject('/openapi.json')).json<OpenApiDocument>();
  return {
    app,
    document,
    admin,
    key,
    flagsKey,
    tenantId: DEFAULT_TENANT,
    other: { ...other, tenantId },
    log: house.log,
    now: () => systemClock.now(),
    get: (url) => call('GET', url, admin.secret),
    post: (url, body) => call('POST', url, admin.secret, body),
    issue,
    status,
    until,
  };
}

/** Everything that runs, and the first management key. Closed after the test, in order. */
async function openHouse(t: Cleanup): Promise<{ app: FastifyInstance; admin: IssuedKey; log: EventLog }> {
  const clock = systemClock;
  const random = systemRandom;
  const connectionString = await testDatabase(t);
  const pool = createPool({ connectionString, applicationName: 'plinth test', maxConnections: 12 });
  const log = await openPostgresEventLog({ pool, clock });
  await migrateProjections(pool);
  const keyring = keyringOf('ab'.repeat(32), `1:${'cd'.repeat(32)}`);
  const dataKeys = await openPostgresDataKeys({ pool, keyring, clock, random });
  const codec = personalCodec({ dataKeys, clock, random, catalogue: eventCatalogue });
  const store = postgresProjectionStore(pool);
  const stop = new AbortController();
  const runners = projectionCatalogue.map((projection) =>
    projectionRunner(
      { projection, store, log, decoder: codec, clock, feed: null },
      { holder: `test-${process.pid}` },
    ).run(stop.signal),
  );
  const erasures = runErasureFollower({ log, codec, dataKeys, clock }, { signal: stop.signal });
  const execute = { log, codec, clock, random, peppers: keyring.peppers, hotFolds: new HotFolds() };

  await createTenant(execute, systemContext('bootstrap', DEFAULT_TENANT, ['tenant']), {
    slug: DEFAULT_TENANT_SLUG,
    name: null,
  });
  const first = await issueKey(
    execute,
    { ...systemContext('bootstrap', DEFAULT_TENANT, [KEYS_COLLECTION]) },
    { permissions: ['*:*'] },
    issueKeySchema.parse({ use: 'management', permissions: ['*:*'] }),
  );
  if (first.kind === 'rejected') throw new Error(first.rejection.detail);

  const writer = 'test-writer';
  const recorder = new UsageRecorder({
    ...{ log, codec, clock, random, writer },
    confirm: () => verifier.confirm(null),
  });
  recorder.start();
  const limiter = new InProcessLimiter(clock);
  const verifier = createVerifier({
    log,
    codec,
    changes: postgresChangesSource(pool, 'keys', { clock }),
    loadRows: verifyRowLoader(pool, (revision) => revisionTables('keys', revision)),
    peppers: keyring.peppers,
    limiter,
    leases: creditLeases(execute, writer),
    clock,
    record: (tenant, keyId, code, route, traceId) => recorder.record(tenant, keyId, code, route, traceId),
  });
  verifier.start();
  const readModels = postgresReadModels({ primary: pool, clock });
  const flagChanges = postgresChangesSource(pool, 'flags', { clock });
  const { epoch } = await log.head();
  const telling = flagEvents({
    clock,
    random,
    epoch: () => epoch,
    served: () => serving.sets,
    key: keyring.derive('flag-streams').reveal(),
    stillGood: (keyId) => verifier.stillGood(keyId),
  });
  const serving = flagServing({
    log,
    codec,
    readModels,
    changes: flagChanges,
    clock,
    graceMs: 3_600_000,
    changed: (change) => telling.flagEvents.hub.tell(change),
  });
  serving.start();
  const digestKey = keyring.derive('request-digest');
  const services: Services = {
    clock,
    epoch: () => epoch,
    execute: { ...execute, confirm: verifier.confirm },
    log: confirmedReads(log, verifier.confirm),
    dataKeys,
    readModels,
    projections: store,
    relayProblem: async () => null,
    members: null,
    cursorKey: keyring.derive('cursor').reveal(),
    verifier,
    limiter,
    flags: serving.sets,
    ...telling,
    clientLimit: clientLimit(limiter, 1_000_000),
  };
  const app = buildApp(
    {
      clock,
      random,
      authenticate: (credential, peer, uses) => verifier.authenticate(credential, peer, uses),
      epoch: () => epoch,
      requestDigest: (body) => requestDigest(digestKey, body),
      live: () => true,
      ready: async () => ({ ready: true, checks: {} }),
      metrics: async () => ({ contentType: 'text/plain', body: '' }),
      version: '0.0.0',
      services,
    },
    allRoutes,
  );
  t.after(async () => {
    await app.close();
    await verifier.close();
    telling.flagEvents.hub.close();
    await serving.close();
    await recorder.close();
    stop.abort();
    await Promise.all([...runners, erasures]);
    await readModels.close();
    await log.close();
    await pool.close();
  });
  const hint = first.state.secrets.at(-1)!.hint ?? '';
  return { app, log, admin: { id: first.state.keyId, secret: first.secret!.reveal(), hint } };
}

/** The flag that the document's examples speak of. */
async function makeFlag(post: (path: string, body: object) => Promise<unknown>): Promise<void> {
  await post('/v1/projects', { project: 'shop' });
  await post('/v1/projects/shop/environments', { environment: 'staging' });
  await post('/v1/projects/shop/environments', { environment: 'production' });
  await post('/v1/projects/shop/flags', { flag: 'new-checkout' });
  await post('/v1/projects/shop/environments/production/flags/new-checkout/on', {});
}
