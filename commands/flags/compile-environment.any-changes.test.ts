import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FlagEdit } from '../../schemas/commands/flags.ts';
import type { When } from '../../schemas/flag-values.ts';
import { flagsWorld, PROJECT } from '../../test/support/flags-world.ts';
import { archiveFlag } from './archive-flag.ts';
import { changeSegment } from './change-segment.ts';
import {
  type CompiledEnvironment,
  compileEnvironment,
  type EnvironmentChanges,
} from './compile-environment.ts';
import { type EnvironmentFlag, type EnvironmentState, noEnvironment } from './environment-state.ts';
import { killFlag } from './kill-flag.ts';
import { rollbackFlag } from './rollback-flag.ts';

/** Every object has these; none of them is there unless somebody put it there. */
const flagKeys = ['constructor', 'toString', 'hasOwnProperty', 'd', 'e'] as const;
const segmentKeys = ['valueOf', 'constructor', 's'] as const;
const ruleIds = ['toString', '10', '9'] as const;
const attributes = ['__proto__', 'constructor', 'a', 'a.__proto__', 'a.constructor'] as const;
const contexts = [
  {},
  { targetingKey: 'jane', a: 1 },
  JSON.parse('{"__proto__": 1, "constructor": 1}') as object,
  JSON.parse('{"a": {"__proto__": 1, "constructor": 0}}') as object,
] as Readonly<Record<string, unknown>>[];

const leaf: fc.Arbitrary<When> = fc.oneof(
  fc.record({
    attribute: fc.constantFrom(...attributes),
    is: fc.constantFrom('equals' as const, 'not_equals' as const),
    value: fc.nat(1),
  }),
  fc.record({
    attribute: fc.constantFrom(...attributes),
    is: fc.constant('exists' as const),
    value: fc.boolean(),
  }),
  fc.record({ segment: fc.constantFrom(...segmentKeys) }),
  fc.constantFrom(...segmentKeys).map((key): When => ({ logic: { '!': [{ $ref: `segment:${key}` }] } })),
);
const when = fc.oneof(
  leaf,
  leaf.map((one): When => ({ not: one })),
  fc.tuple(leaf, leaf).map((all): When => ({ all })),
);
const variant = fc.constantFrom('constructor', 'off');
const edit: fc.Arbitrary<FlagEdit> = fc.oneof(
  fc
    .constantFrom('on' as const, 'on' as const, 'off' as const)
    .map((mode): FlagEdit => ({ edit: 'set_mode', mode })),
  fc.record({ id: fc.constantFrom(...ruleIds), when, variant }).map(
    (rule): FlagEdit => ({
      edit: 'put_rule',
      rule: { id: rule.id, when: rule.when as never, serve: { variant: rule.variant } },
    }),
  ),
  fc.constantFrom(...ruleIds).map((id): FlagEdit => ({ edit: 'remove_rule', id })),
  fc.uniqueArray(fc.constantFrom(...flagKeys), { maxLength: 2 }).map(
    (keys): FlagEdit => ({
      edit: 'set_prerequisites',
      prerequisites: keys.map((flag) => ({ flag, variants: ['constructor'] })),
    }),
  ),
  variant.map((name): FlagEdit => ({ edit: 'set_fallthrough', fallthrough: { variant: name } })),
);
const flag = fc.constantFrom(...flagKeys);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant('edit' as const), flag, edit }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('segment' as const),
      segment: fc.constantFrom(...segmentKeys),
      when: fc.option(when, { freq: 4 }),
    }),
  },
  fc.record({ what: fc.constantFrom('kill' as const, 'archive' as const, 'restore' as const), flag }),
  fc.record({ what: fc.constant('back' as const), flag, revision: fc.integer({ min: 1, max: 6 }) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type World = Awaited<ReturnType<typeof flagsWorld>>;

async function give({ deps, at, change }: World, one: Step): Promise<void> {
  const aim = { project: PROJECT, environment: 'production', reason: null };
  if (one.what === 'edit') await change(one.flag, [one.edit]);
  else if (one.what === 'segment') {
    await changeSegment(deps, at('production'), { ...aim, segment: one.segment, when: one.when });
  } else if (one.what === 'kill') {
    await killFlag(deps, at('production'), { ...aim, flag: one.flag, reason: 'r' });
  } else if (one.what === 'back') {
    await rollbackFlag(deps, at('production'), { ...aim, flag: one.flag, revision: one.revision });
  } else {
    await archiveFlag(deps, at('production'), { ...aim, flag: one.flag, archived: one.what === 'archive' });
  }
}

/** As rows tell it: what was written as JSON, and read again. */
function changesBetween(before: EnvironmentState, after: EnvironmentState): EnvironmentChanges {
  const flags = [...after.flags.values()].filter(
    (one) => before.flags.get(one.key)?.revision !== one.revision,
  );
  const keys = new Set([...before.segments.keys(), ...after.segments.keys()]);
  const segments = [...keys]
    .filter((key) => JSON.stringify(before.segments.get(key)) !== JSON.stringify(after.segments.get(key)))
    .map((key) => [key, after.segments.get(key) ?? null] as const);
  return JSON.parse(JSON.stringify({ flags, segments })) as EnvironmentChanges;
}

const nothing: CompiledEnvironment = { ...noEnvironment, programs: new Map(), isWhole: true };

function answersOf({ programs }: CompiledEnvironment): Record<string, unknown> {
  const keys = [...programs.keys()].sort();
  return Object.fromEntries(
    keys.map((key) => [key, contexts.map((context) => programs.get(key)!.explain(context, 0))]),
  );
}

test('whatever is commanded, what is compiled change by change answers as what is compiled at once', async () => {
  const seen = { changed: 0, failed: 0, matched: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), fc.nat(3), async (steps, every) => {
      const world = await flagsWorld();
      const aim = { project: PROJECT, environment: 'production', reason: null };
      for (const segment of segmentKeys) {
        const when: When = { attribute: 'a', is: 'equals', value: 1 };
        await changeSegment(world.deps, world.at('production'), { ...aim, segment, when });
      }
      for (const [n, key] of flagKeys.entries()) {
        await world.flag(key, { variants: { constructor: true, off: false }, offVariant: 'off' });
        const segment = segmentKeys[n % segmentKeys.length]!;
        const rule = { id: 'first', when: { segment }, serve: { variant: 'off' } };
        const required = n === 0 ? [] : [{ flag: flagKeys[n - 1]!, variants: ['constructor'] }];
        const edits: FlagEdit[] = [
          { edit: 'put_rule', rule },
          { edit: 'set_mode', mode: 'on' },
        ];
        if (n % 2 === 1) edits.push({ edit: 'set_prerequisites', prerequisites: required });
        world.done(await world.change(key, edits));
      }
      let state: EnvironmentState = noEnvironment;
      let compiled = nothing;
      for (const [n, one] of steps.entries()) {
        await give(world, one);
        if (n % (every + 1) !== 0 && n < steps.length - 1) continue;
        const after = await world.environment();
        compiled = compileEnvironment(compiled, changesBetween(state, after));
        if (after.version !== state.version) seen.changed++;
        state = after;
        const answers = answersOf(compiled);
        assert.deepEqual(
          answers,
          answersOf(compileEnvironment(nothing, changesBetween(noEnvironment, after))),
        );
        assert.deepEqual(Object.keys(answers), [...flagKeys].sort());
        // What commands have let through is never answered with an error.
        for (const each of Object.values(answers) as { reason: string }[][]) {
          seen.failed += each.filter(({ reason }) => reason === 'ERROR').length;
          seen.matched += each.filter(({ reason }) => reason === 'TARGETING_MATCH').length;
        }
      }
      const flags = [...state.flags.values()].map((one: EnvironmentFlag) => Object.keys(one.variants));
      assert.deepEqual(
        flags,
        flagKeys.map(() => ['constructor', 'off']),
      );
    }),
    { numRuns: 60 },
  );
  assert.equal(seen.failed, 0);
  assert.ok(seen.changed > 60 && seen.matched > 10, JSON.stringify(seen));
});
