import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { roles } from '../../infra/platform.ts';
import { settingSpecs } from '../../schemas/config.ts';

const page = readFileSync(new URL('../../docs/scaling.md', import.meta.url), 'utf8');
/** The schema of the database in which wrapped data keys are. */
const KEY_STORE = 'plinth_keys';
const named = (pattern: RegExp) => [...new Set([...page.matchAll(pattern)].map(([, name]) => name!))];

test('what the page on scaling names is there: settings, roles, metrics, pages', () => {
  const settings = Object.values(settingSpecs).map(({ env }) => env as string);
  const settingsNamed = named(/`((?:PLINTH|KAFKA|DATABASE|DATA_KEYS|REDIS|EVENT_LOG)_[A-Z_]+)/g);
  assert.ok(settingsNamed.length >= 10);
  for (const name of settingsNamed) assert.ok(settings.includes(name), `${name} is no setting`);
  for (const role of roles) assert.match(page, new RegExp(`^\\| \`${role}\` \\|`, 'm'));

  // Some are shown only once they have counted something, so the names are looked for where they are given.
  const metrics = readFileSync(new URL('../../infra/telemetry/metrics.ts', import.meta.url), 'utf8');
  const metricsNamed = named(/`(plinth_[a-z_]+)`/g).filter((name) => name !== KEY_STORE);
  assert.ok(metricsNamed.length >= 5);
  for (const name of metricsNamed) assert.match(metrics, new RegExp(`\\b${name}\\b`), `${name} is no metric`);
  for (const link of named(/\]\(([^)#]+)/g)) {
    assert.ok(existsSync(new URL(link, new URL('../../docs/', import.meta.url))), `${link} is not there`);
  }
});

test('the steps for a replica that is made anew name what the compose file and its scripts made', () => {
  const file = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const compose = file('docker-compose.yml');
  const [, project] = /^name: (\w+)$/m.exec(compose)!;
  const [, kept] = /max_slot_wal_keep_size=(\d+)GB/.exec(compose)!;
  const [, user] = /POSTGRES_USER: (\w+)/.exec(compose)!;
  const [, slot] = /pg_create_physical_replication_slot\('(\w+)'\)/.exec(
    file('infra/deploy/postgres/primary.sh'),
  )!;
  assert.match(file('infra/deploy/postgres/replica.sh'), new RegExp(`--slot=${slot} `));
  const [services, volumes] = compose.split(/^volumes:$/m);
  for (const part of [services!, volumes!]) assert.match(part, /^ {2}postgres-replica:/m);
  for (const step of [
    'docker compose rm --stop --force postgres-replica',
    `docker volume rm ${project}_postgres-replica`,
    `psql --username ${user} --command "SELECT pg_drop_replication_slot('${slot}')"`,
    `--command "SELECT pg_create_physical_replication_slot('${slot}')"`,
    `(${kept} GB in the compose file;`,
  ]) {
    assert.ok(page.includes(step), step);
  }
});
