/** Verify in several processes on one Postgres and one Redis: what is done through one, the others see. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createVerifier, type Verifier } from '../../api/verify/verifier.ts';
import { creditLeases } from '../../commands/keys/credit-leases.ts';
import { issueKey } from '../../commands/keys/issue-key.ts';
import { revokeKey } from '../../commands/keys/revoke-key.ts';
import { systemContext } from '../../commands/system-context.ts';
import { createTenant } from '../../commands/tenants/create-tenant.ts';
import { DEFAULT_TENANT, DEFAULT_TENANT_SLUG } from '../../commands/tenants/default-tenant.ts';
import { InProcessLimiter } from '../../infra/limiter/in-process-limiter.ts';
import { type Engines, openEngines } from '../../infra/platform/engines.ts';
import { startProjector } from '../../infra/platform/projector.ts';
import { postgresChangesSource } from '../../infra/postgres/changes-source.ts';
import { revisionTables } from '../../infra/postgres/revision-tables.ts';
import { openRedis } from '../../infra/redis/connection.ts';
import { redisHints } from '../../infra/redis/hints.ts';
import { redisSharedCache } from '../../infra/redis/shared-cache.ts';
import { createLog } from '../../infra/telemetry/log.ts';
import { hurriedBy } from '../../projections/hints.ts';
import { verifyRowLoader } from '../../projections/keys/verify-row.ts';
import { issueKeySchema } from '../../schemas/commands/keys.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { readSettings } from '../../schemas/read-settings.ts';
import { Secret } from '../../schemas/secret.ts';
import { testDatabase } from '../support/postgres.ts';
import { ownRedis } from '../support/redis-server.ts';
import { without } from '../support/servers.ts';

const skip = without('redis');
const GRANTOR = { permissions: ['*:*'] };
const MAX_UNTIL_MS = 60_000;
const silent = createLog({ level: 'silent', write: () => undefined });

interface Process {
  readonly engines: Engines;
  readonly verifier: Verifier;
  readonly facts: string[];
  readonly shared: string[];
  verify(key: string): Promise<string>;
}

async function house(t: TestContext) {
  const ends: (() => unknown)[] = [];
  // After a test, in the reverse order.
  t.after(async () => {
    for (const end of ends.reverse()) await end();
  });
  const dataDir = await mkdtemp(join(tmpdir(), 'plinth-shared-'));
  ends.push(() => rm(dataDir, { recursive: true, force: true }));
  const databaseUrl = await testDatabase(t);
  const redisServer = await ownRedis({ after: (end) => ends.push(end) });

  const open = async (name: string): Promise<Process> => {
    const read = readSettings({ DATABASE_URL: databaseUrl, PLINTH_DATA_DIR: dataDir });
    assert.ok(read.ok);
    const engines = await openEngines({ settings: read.settings, log: silent, applicationName: name });
    ends.push(() => engines.close());
    const { clock, pool, keyring } = engines;
    const redis = openRedis({ prefix: 'plinth', url: new Secret(redisServer.url) });
    ends.push(() => redis.close());
    assert.ok(await redis.whenReady(20_000));
    const facts: string[] = [];
    const shared: string[] = [];
    const changes = postgresChangesSource(pool, 'keys', { clock });
    const verifier = createVerifier({
      log: engines.log,
      codec: engines.codec,
      changes: hurriedBy(redisHints(redis, clock), 'keys', changes),
      loadRows: verifyRowLoader(pool, (revision) => revisionTables('keys', revision)),
      peppers: keyring.peppers,
      limiter: new InProcessLimiter(clock),
      leases: creditLeases(engines.keyDeps, engines.writer),
      clock,
      record: () => {},
      shared: { cache: redisSharedCache(redis), secret: keyring.derive('shared-cache') },
      onFacts: (source) => facts.push(source),
      onShared: (event) => shared.push(event),
    });
    verifier.start();
    ends.push(() => verifier.close());
    const verify = async (key: string) => {
      try {
        const context = { tenant: DEFAULT_TENANT, route: 'verify', traceId: null };
        return (await verifier.verify(context, { key })).code;
      } catch (error) {
        if (error instanceof PlinthError) return error.rejection.code;
        throw error;
      }
    };
    return { engines, verifier, facts, shared, verify };
  };
  const one = await open('plinth test one');
  let projector = startProjector(one.engines, silent);
  ends.push(() => projector.stop());
  await createTenant(one.engines.keyDeps, systemContext('test', DEFAULT_TENANT, ['tenant']), {
    slug: DEFAULT_TENANT_SLUG,
    name: null,
  });
  const other = await open('plinth test other');
  const until = async (holds: () => Promise<boolean>) => {
    const endMs = Date.now() + MAX_UNTIL_MS;
    while (!(await holds())) {
      assert.ok(Date.now() < endMs, `it did not come true in ${MAX_UNTIL_MS} ms`);
      await pause(20);
    }
  };
  return {
    one,
    other,
    open,
    redisServer,
    until,
    stopProjector: () => projector.stop(),
    startProjector() {
      projector = startProjector(one.engines, silent);
    },
    /** Known to both processes, and shared. */
    async issue(name: string) {
      const context = systemContext('test', DEFAULT_TENANT, ['issue', name]);
      const issued = await issueKey(one.engines.keyDeps, context, GRANTOR, issueKeySchema.parse({}));
      if (issued.kind === 'rejected') throw new Error(issued.rejection.detail);
      const text = issued.secret!.reveal();
      const { keyId } = issued.state;
      for (const { verifier, verify } of [one, other]) {
        // Until it is a row that they hold, not a fold of the log.
        await until(async () => {
          verifier.facts.drop();
          return (await verify(text)) === 'VALID' && verifier.cache.get(keyId) !== undefined;
        });
      }
      return { text, keyId };
    },
    revoke: (keyId: string) =>
      revokeKey(one.engines.keyDeps, systemContext('test', DEFAULT_TENANT, ['revoke', keyId]), {
        keyId,
        reason: null,
      }),
  };
}

test('a row that one process has read another finds in Redis, until the key is revoked', {
  skip,
}, async (t) => {
  const h = await house(t);
  const { text, keyId } = await h.issue('a');
  // What is read is shared without anybody waiting for it.
  await h.until(async () => {
    h.other.verifier.facts.drop();
    h.other.facts.length = 0;
    assert.equal(await h.other.verify(text), 'VALID');
    return h.other.facts[0] === 'shared';
  });
  await h.revoke(keyId);
  const endMs = Date.now() + 5_000;
  for (let code = 'VALID'; code !== 'REVOKED'; ) {
    const askedMs = Date.now();
    code = await h.other.verify(text);
    assert.ok(code === 'REVOKED' || askedMs <= endMs, `${code} after more than 5 s`);
    await pause(10);
  }
  for (const { verifier, verify } of [h.one, h.other]) {
    await h.until(async () => (await verify(text)) === 'REVOKED' && Date.now() > endMs);
    verifier.facts.drop();
    assert.equal(await verify(text), 'REVOKED', 'whatever Redis holds');
  }
});

test('with a dead projector the log is folded, whatever Redis holds', { skip }, async (t) => {
  const h = await house(t);
  const { text, keyId } = await h.issue('a');
  await h.stopProjector();
  await h.revoke(keyId);
  const endMs = Date.now() + 5_000;
  for (const { verifier, verify } of [h.other, h.one]) {
    for (let code = 'VALID'; code !== 'REVOKED'; await pause(20)) {
      const askedMs = Date.now();
      code = await verify(text);
      assert.ok(code === 'REVOKED' || askedMs <= endMs, `${code} after more than 5 s`);
      verifier.facts.drop();
    }
  }
  assert.equal(h.other.facts.at(-1), 'fold');
  h.startProjector();
  await h.until(async () => {
    h.other.verifier.facts.drop();
    h.other.facts.length = 0;
    return (await h.other.verify(text)) === 'REVOKED' && h.other.facts[0] !== 'fold';
  });
});

test('Redis that hangs, dies and comes back empty costs no verify its answer', { skip }, async (t) => {
  const h = await house(t);
  const { text, keyId } = await h.issue('a');
  const cold = async () => {
    h.other.verifier.facts.drop();
    return h.other.verify(text);
  };
  h.redisServer.signal('SIGSTOP');
  for (let i = 0; i < 10; i++) assert.equal(await cold(), 'VALID');
  assert.ok(h.other.shared.includes('failed'));
  h.redisServer.signal('SIGCONT');
  await h.redisServer.kill('SIGKILL');
  for (let i = 0; i < 10; i++) assert.equal(await cold(), 'VALID');
  await h.revoke(keyId);
  await h.until(async () => (await cold()) === 'REVOKED');
  await h.redisServer.restart();
  h.other.shared.length = 0;
  await h.until(async () => {
    assert.equal(await cold(), 'REVOKED');
    return h.other.shared.includes('hit');
  });
});

test('of many processes that miss at once, one reads the row', { skip }, async (t) => {
  const h = await house(t);
  const processes = [h.one, h.other, await h.open('plinth test third'), await h.open('plinth test fourth')];
  const { text } = await h.issue('a');
  await h.until(async () =>
    (await Promise.all(processes.map((p) => p.verify(text)))).every((c) => c === 'VALID'),
  );
  // A machine that is busy may keep the others waiting for longer than they do: then each reads for itself.
  await h.until(async () => {
    await h.redisServer.cli('flushall');
    for (const { verifier, facts } of processes) {
      verifier.facts.drop();
      facts.length = 0;
    }
    const codes = await Promise.all(processes.map((p) => p.verify(text)));
    assert.ok(codes.every((code) => code === 'VALID'));
    return processes.filter(({ facts }) => facts[0] === 'row').length === 1;
  });
});
