/** A plan, carried out step by step, makes a project's flags what the file says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { When } from '../../schemas/flag-values.ts';
import { type FlagOfFile, type FlagsFile, own } from '../../schemas/flags-file.ts';
import { flagsFile } from '../../test/flags/generated-files.ts';
import { flagAtBeginning } from './begin-environment.ts';
import { editFlag } from './edit-flag.ts';
import { difference, type EditableFlag } from './flag-parts.ts';
import { environmentsIn, type FlagsPlan, planFlags } from './plan-flags.ts';

interface Environment {
  readonly segments: Map<string, When>;
  readonly flags: Map<string, EditableFlag>;
}

function environmentOf({ segments, flags }: FlagsFile, environment: string): Environment {
  return {
    segments: new Map(Object.entries(own(segments, environment) ?? {})),
    flags: new Map(
      Object.entries(flags).flatMap(([key, { type, variants, jsonSchema, clientVisible, environments }]) => {
        const settings = own(environments, environment);
        return settings
          ? [[key, { type, variants, jsonSchema, clientVisible, settings } as EditableFlag] as const]
          : [];
      }),
    ),
  };
}

function carriedOut(current: FlagsFile, plan: FlagsPlan): ReadonlyMap<string, Environment> {
  return new Map(
    plan.environments.map(({ environment, steps }) => {
      const { segments, flags } = environmentOf(current, environment);
      for (const { flag, ...beginning } of plan.creations)
        flags.set(flag, flagAtBeginning(beginning as never));
      for (const step of steps) {
        if (step.step === 'put-segment') segments.set(step.segment, step.when);
        else if (step.step === 'remove-segment') assert.ok(segments.delete(step.segment));
        else if (step.step === 'archive-flag') assert.ok(flags.delete(step.flag));
        else for (const edits of step.commands) flags.set(step.flag, editFlag(flags.get(step.flag)!, edits));
      }
      return [environment, { segments, flags }];
    }),
  );
}

/** As often as not two files have flags and settings in common. */
const pair = fc.tuple(flagsFile, flagsFile, fc.boolean()).map(([a, b, related]): [FlagsFile, FlagsFile] => [
  a,
  related
    ? {
        ...b,
        flags: {
          ...b.flags,
          ...Object.fromEntries(
            Object.entries(a.flags)
              .slice(0, 2)
              .map(([key, flag]) => [key, changed(flag)]),
          ),
        },
      }
    : b,
]);

function changed(flag: FlagOfFile): FlagOfFile {
  const environments = Object.entries(flag.environments).map(([name, settings]) => [
    name,
    { ...settings, mode: 'on', rules: settings.rules.toReversed(), targets: [] },
  ]);
  return { ...flag, clientVisible: !flag.clientVisible, environments: Object.fromEntries(environments) };
}

for (const remove of [false, true]) {
  test(`a plan carried out makes flags what the file says${remove ? ', and nothing else is left' : ''}`, () => {
    let compared = 0;
    fc.assert(
      fc.property(pair, ([current, wanted]) => {
        const after = carriedOut(current, planFlags(current, wanted, { remove }));
        assert.deepEqual(
          [...after.keys()].sort(),
          [...new Set([...environmentsIn(current), ...environmentsIn(wanted)])].sort(),
        );
        for (const [environment, { segments, flags }] of after) {
          const goal = environmentOf(wanted, environment);
          for (const [key, when] of goal.segments) assert.deepEqual(segments.get(key), when);
          if (remove) assert.equal(segments.size, goal.segments.size);
          for (const [key, flag] of goal.flags) {
            const [is, was] = [flags.get(key), environmentOf(current, environment).flags.get(key)];
            if (!is || is.type !== flag.type) continue;
            const killed = [was?.settings.mode, flag.settings.mode].includes('killed');
            const parts = difference(is, flag).map(({ part }) => part);
            assert.deepEqual(killed ? parts.filter((part) => part !== 'mode') : parts, []);
            compared += 1;
          }
          if (remove) for (const key of flags.keys()) assert.ok(Object.hasOwn(wanted.flags, key), key);
        }
      }),
      { numRuns: 300, seed: 20261125 },
    );
    assert.ok(compared > 150, `${compared}`);
  });
}
