/** What flagd is given of a flag says what this process answers: flagd-core and our engine both are asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EvaluationContext } from '@openfeature/core';
import { FlagdCore } from '@openfeature/flagd-core';
import fc from 'fast-check';
import { compileProgram } from '../../commands/flags/compile-program.ts';
import { evaluate } from '../../commands/flags/engine/evaluate.ts';
import { flagProgram } from '../../commands/flags/flag-program.ts';
import { flagdFlag } from '../../commands/flags/flagd-flag.ts';
import { compileSegments } from '../../commands/flags/segments.ts';
import { context, settings, segments as someSegments, variants } from './generated-flags.ts';

const FLAGS = 300;
const CONTEXTS = 20;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
test(`${FLAGS * CONTEXTS} answers are flagd's, through segments and prerequisites`, () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(
      settings,
      settings,
      someSegments,
      fc.array(context, { minLength: CONTEXTS, maxLength: CONTEXTS }),
      (own, base, byKey, contexts) => {
        const segments = compileSegments(byKey);
        const flags = {
          base: { key: 'base', variants, seed: 'fl_base', settings: base },
          flag: {
            key: 'flag',
            variants,
            seed: 'fl_flag',
            settings: { ...own, prerequisites: [{ flag: 'base', variants: ['on', 'blue'] }] },
          },
        };
        const around = { flag: (key: string) => flags[key as 'base'], segments };
        const programs = Object.values(flags).map((flag) => flagProgram(flag, around));
        const set = JSON.stringify({
          flags: Object.fromEntries(programs.map((program) => [program.key, flagdFlag(program)])),
          $evaluators: segments.evaluators,
        });
        const oracle = new FlagdCore(undefined, quiet);
        oracle.setConfigurations(set);
        for (const program of programs) {
          assert.deepEqual(program.unportable, []);
          const compiled = compileProgram(program, segments.evaluators);
          for (const given of contexts) {
            const answer = compiled.evaluate(given, 0);
            const flagd = evaluate(set, program.key, 'boolean', given, { now: 0 });
            const theirs = oracle.resolveBooleanEvaluation(
              program.key,
              'none' as never,
              given as EvaluationContext,
              quiet,
            );
            const said = `${JSON.stringify(flags)} with ${JSON.stringify(given)}`;
            assert.deepEqual([answer.value, answer.variant], [flagd.value, flagd.variant], said);
            assert.deepEqual([answer.value ?? 'none', answer.variant], [theirs.value, theirs.variant], said);
            assert.equal(answer.errorCode, undefined, said);
            seen.add(answer.reason);
          }
        }
      },
    ),
    { numRuns: FLAGS, seed: 20261125 },
  );
  assert.deepEqual([...seen].sort(), ['DEFAULT', 'SPLIT', 'STATIC', 'TARGETING_MATCH']);
});
