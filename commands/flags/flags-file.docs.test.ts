/** docs/flags-file.md says what is there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { conditionOperators, MAX_RULES, MAX_TARGET_KEYS, MAX_VARIANTS } from '../../schemas/flag-values.ts';
import { MAX_ALIASES, MAX_FLAGS_FILE_CHARACTERS, parseFlagsFile } from './flags-file.ts';
import { lintFlags } from './lint-flags.ts';
import { isEmptyPlan, planFlags } from './plan-flags.ts';
import { printFlagsFile } from './print-flags-file.ts';

const page = readFileSync(new URL('../../docs/flags-file.md', import.meta.url), 'utf8');
const example = /```yaml\n([\s\S]*?)```/.exec(page)![1]!;

test('the example is read, has no findings, and is the same when it is written', () => {
  const { file, faults } = parseFlagsFile(example);
  assert.deepEqual(faults, undefined);
  assert.deepEqual(lintFlags(file!, { nowMs: Date.parse('2027-01-01T00:00:00Z') }), []);
  assert.deepEqual(parseFlagsFile(printFlagsFile(file!)).file, file);
  assert.ok(isEmptyPlan(planFlags(file!, file!)));
  const { flags, segments } = file!;
  assert.deepEqual(Object.keys(flags), ['new-checkout', 'payment-provider', 'limits']);
  assert.deepEqual(flags['new-checkout']!.environments.production!.fallthrough, {
    rollout: { by: 'targetingKey', exposure: 25_000, weights: [{ variant: 'on', weight: 1 }] },
  });
  assert.deepEqual(
    [flags.limits!.type, flags['payment-provider']!.expiresAt],
    ['json', '2027-06-30T00:00:00Z'],
  );
  assert.deepEqual(Object.keys(segments.production!), ['staff', 'beta']);
});

test('every operator, every finding and every bound is named', () => {
  for (const operator of Object.keys(conditionOperators))
    assert.match(page, new RegExp(`\`${operator}\``), operator);
  const rules =
    'prerequisite cannot-be-evaluated permanent-and-expires unused-variant unreachable-rule constant-rollout expired personal-rule';
  for (const rule of rules.split(' ')) assert.match(page, new RegExp(`\`${rule}\``), rule);
  const bounds = /## Bounds\n\n(.*)\n/.exec(page)![1]!.replaceAll(',', '');
  for (const bound of [MAX_FLAGS_FILE_CHARACTERS, MAX_ALIASES, MAX_VARIANTS, MAX_RULES, MAX_TARGET_KEYS]) {
    assert.match(bounds, new RegExp(`\\b${bound}\\b`));
  }
});
