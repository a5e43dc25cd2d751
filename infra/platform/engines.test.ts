import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DEFAULT_TENANT } from '../../commands/tenants/default-tenant.ts';
import { readSettings } from '../../schemas/read-settings.ts';
import { testDatabase } from '../../test/support/postgres.ts';
import { createLog } from '../telemetry/log.ts';
import { openEngines, withoutRedis } from './engines.ts';

test('engines that are closed hold no data key, and nothing that would keep the process from ending', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'plinth-engines-'));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const read = readSettings({ DATABASE_URL: await testDatabase(t), PLINTH_DATA_DIR: dataDir });
  assert.ok(read.ok);
  const engines = await openEngines({
    settings: read.settings,
    log: createLog({ level: 'warn', write: () => undefined }),
    applicationName: 'plinth test',
  });
  await engines.dataKeys.active(DEFAULT_TENANT, null);
  assert.equal(engines.dataKeys.held(), 1);
  await engines.close();
  assert.equal(engines.dataKeys.held(), 0);
});

test('without Redis a process that serves no API says nothing of limits, which it does not judge', () => {
  for (const partial of [false, true]) {
    assert.match(withoutRedis(partial, true), /limits .*no keys are issued/);
    assert.doesNotMatch(withoutRedis(partial, false), /limits|keys/);
  }
});
