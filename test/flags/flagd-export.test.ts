/** An environment, given to flagd and taken back: whoever evaluates it answers alike. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EvaluationContext } from '@openfeature/core';
import { FlagdCore } from '@openfeature/flagd-core';
import fc from 'fast-check';
import { compileProgram } from '../../commands/flags/compile-program.ts';
import { evaluate } from '../../commands/flags/engine/evaluate.ts';
import { exportFlagd, LEFT_OUT, LEFT_OUT_COUNT } from '../../commands/flags/export-flagd.ts';
import { type FlagInEnvironment, flagProgram } from '../../commands/flags/flag-program.ts';
import { importFlagd } from '../../commands/flags/import-flagd.ts';
import { compileSegments } from '../../commands/flags/segments.ts';
import type { FlagSettings, When } from '../../schemas/flag-values.ts';
import { isJsonObject, type JsonObject } from '../../schemas/json.ts';
import { schemaFault } from './flagd-schema.ts';
import { context, settings, segments as someSegments, variants } from './generated-flags.ts';

const FLAGS = 150;
const CONTEXTS = 20;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const none: When = { attribute: 'plan', is: 'matches', value: '^p' };

test(`${FLAGS * CONTEXTS} answers are the same before and after, on this engine and on flagd's`, () => {
  let compared = 0;
  fc.assert(
    fc.property(
      settings,
      settings,
      someSegments,
      fc.array(context, { minLength: CONTEXTS, maxLength: CONTEXTS }),
      (own, base, segments, contexts) => {
        const flags = new Map<string, FlagInEnvironment>([
          ['base', { key: 'base', variants, seed: 'fl_base', settings: base }],
          [
            'flag',
            {
              key: 'flag',
              variants,
              seed: 'fl_flag',
              settings: { ...own, prerequisites: [{ flag: 'base', variants: ['on', 'blue'] }] },
            },
          ],
        ]);
        const { flagSet, leftOut } = exportFlagd({ flags, segments, metadata: { version: '7' } });
        assert.deepEqual(leftOut, []);
        assert.equal(schemaFault(flagSet), null, JSON.stringify(flagSet));
        const { flags: back, findings } = importFlagd(flagSet);
        assert.deepEqual(findings, []);
        const again = new Map(back.map((flag) => [flag.key, { ...flag, seed: 'another' }]));
        const second = exportFlagd({ flags: again, segments: new Map() });
        const oracle = new FlagdCore(undefined, quiet);
        oracle.setConfigurations(JSON.stringify(flagSet));
        const compiled = compileSegments(segments);
        for (const flag of flags.values()) {
          const [was, is] = [
            compileProgram(
              flagProgram(flag, { flag: (key) => flags.get(key), segments: compiled }),
              compiled.evaluators,
            ),
            compileProgram(
              flagProgram(again.get(flag.key)!, {
                flag: () => undefined,
                segments: compileSegments(new Map()),
              }),
              {},
            ),
          ];
          for (const given of contexts) {
            const said = `${JSON.stringify(flagSet)} with ${JSON.stringify(given)}`;
            const { value, variant } = was.evaluate(given, 0);
            const answers = [
              is.evaluate(given, 0),
              evaluate(flagSet, flag.key, 'boolean', given, { now: 0 }),
              ...(second.leftOut.length === 0
                ? [evaluate(second.flagSet, flag.key, 'boolean', given, { now: 0 })]
                : []),
            ];
            for (const answer of answers)
              assert.deepEqual([answer.value, answer.variant], [value, variant], said);
            const theirs = oracle.resolveBooleanEvaluation(
              flag.key,
              'none' as never,
              given as EvaluationContext,
              quiet,
            );
            assert.deepEqual([theirs.value, theirs.variant], [value ?? 'none', variant], said);
            compared += 1;
          }
        }
      },
    ),
    { numRuns: FLAGS, seed: 20261125 },
  );
  assert.equal(compared, 2 * FLAGS * CONTEXTS);
});

const plain: FlagSettings = {
  mode: 'on',
  offVariant: 'off',
  prerequisites: [],
  targets: [],
  rules: [],
  fallthrough: { variant: 'on' },
};
const flagOf = (
  key: string,
  more: Partial<FlagSettings> = {},
  values: FlagInEnvironment['variants'] = variants,
) => [key, { key, variants: values, seed: 'fl', settings: { ...plain, ...more } }] as const;
const rule = (when: When) => ({ rules: [{ id: 'r', when, serve: { variant: 'off' } }] });

test('what flagd does not evaluate alike is left out, and the metadata say so', () => {
  const { flagSet, leftOut } = exportFlagd({
    flags: new Map([
      flagOf('plain'),
      flagOf('pattern', rule(none)),
      flagOf('in-segment', rule({ segment: 'patterned' })),
      flagOf('requires', { prerequisites: [{ flag: 'pattern', variants: ['on'] }] }),
      flagOf('broken', { prerequisites: [{ flag: 'gone', variants: ['on'] }] }),
      flagOf('large', { offVariant: 'a', fallthrough: { variant: 'a' } }, { a: 2 ** 53 }),
      flagOf('staff-only', rule({ segment: 'staff' })),
      flagOf('killed', { ...rule(none), mode: 'killed' }),
    ]),
    segments: new Map<string, When>([
      ['patterned', none],
      ['staff', { attribute: 'email', is: 'ends_with', value: '@example.com' }],
      ['unused', { attribute: 'plan', is: 'equals', value: 'pro' }],
    ]),
    metadata: { flagSetId: 'shop/production' },
  });
  assert.deepEqual(leftOut, [
    { flag: 'pattern', reasons: ['matches'] },
    { flag: 'in-segment', reasons: ['matches'] },
    { flag: 'requires', reasons: ['matches'] },
    { flag: 'broken', reasons: ['its prerequisite gone is no flag'] },
    { flag: 'large', reasons: ['a number beyond 2^53 - 1'] },
  ]);
  assert.deepEqual(Object.keys(flagSet.flags as JsonObject), ['plain', 'staff-only', 'killed']);
  assert.deepEqual(Object.keys(flagSet.$evaluators as JsonObject), ['segment:staff']);
  assert.deepEqual(flagSet.metadata, {
    flagSetId: 'shop/production',
    [LEFT_OUT_COUNT]: 5,
    [LEFT_OUT]: 'pattern,in-segment,requires,broken,large',
  });
  assert.equal(schemaFault(flagSet), null);
});

test('a long list of what is left out ends before it weighs on every answer', () => {
  const flags = new Map(
    Array.from({ length: 500 }, (_, n) => flagOf(`a-flag-with-a-long-name-${n}`, rule(none))),
  );
  const { flagSet } = exportFlagd({ flags, segments: new Map() });
  const { metadata } = flagSet;
  assert.ok(isJsonObject(metadata));
  assert.equal(metadata[LEFT_OUT_COUNT], 500);
  assert.match(String(metadata[LEFT_OUT]), /^a-flag.{3000,4010},…$/);
});

test('versions are written in full, and one that is none lets nobody in', () => {
  const version = (value: string): When => ({ attribute: 'version', is: 'version_less_than', value });
  const { flagSet } = exportFlagd({
    flags: new Map([
      flagOf('short', rule(version('v2.1'))),
      flagOf('pre', rule(version('2.1.0-rc.1+build'))),
      flagOf('odd', rule(version('latest'))),
    ]),
    segments: new Map(),
  });
  assert.equal(schemaFault(flagSet), null);
  const answer = (key: string, version: string) =>
    evaluate(flagSet, key, 'boolean', { version }, { now: 0 }).variant;
  assert.deepEqual([answer('short', '2.0.9'), answer('short', '2.1.0')], ['off', 'on']);
  assert.deepEqual([answer('pre', '2.1.0-beta'), answer('pre', '2.1.0')], ['off', 'on']);
  assert.equal(answer('odd', '0.0.1'), 'on');
});
