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
