import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlagsFile } from '../../commands/flags/flags-file.ts';
import { isEmptyPlan } from '../../commands/flags/plan-flags.ts';
import { printFlagsFile } from '../../commands/flags/print-flags-file.ts';
import { type CurrentFlags, currentFlags, exportedFlags } from './current-flags.ts';
import type { FlagsApi } from './flags-api.ts';
import { planAgainst } from './plan-against.ts';

const version = { project: 'shop', version: 3, createdAt: '', name: null };
const flag = {
  ...{ project: 'shop', flag: 'a', type: 'string', kind: 'release', lifecycle: 'live', revision: 4 },
  ...{ ownerTeam: null, ownerPerson: null, tags: [], expiresAt: null, permanent: false },
};
const there = (variants: object, revision: number, archived = false) => ({
  ...{ flag: 'a', type: 'string', variants, jsonSchema: null, clientVisible: false, archived, revision },
  ...{
    mode: 'on',
    offVariant: 'no',
    prerequisites: [],
    targets: [],
    rules: [],
    fallthrough: { variant: 'no' },
  },
});

/** A project of which the flag `a` is otherwise in `live` than in `test`. */
function world(inTest: object, inLive: object): Promise<CurrentFlags> {
  const flags: Record<string, object> = { test: inTest, live: inLive };
  const api = {
    getProject: async () => ({
      ...version,
      environments: ['test', 'live'].map((environment) => ({ environment, version: 7 })),
    }),
    async *listFlags() {
      yield flag;
    },
    async *listEnvironmentFlags({ environment }: { environment: string }) {
      yield flags[environment];
    },
    listSegments: async () => [],
  };
  return currentFlags(api as unknown as FlagsApi, 'shop');
}

const fileOf = (text: string) => parseFlagsFile(text).file!;

test('variants are planned for each environment against those that it has', async () => {
  const current = await world(there({ no: '', x: 'x' }, 2), there({ no: '' }, 5));
  const file = fileOf(`
project: shop
flags:
  a: { variants: { no: "", x: x }, environments: { test: { off: no, serve: no }, live: { off: no, serve: no } } }
`);
  const { environments } = planAgainst(current, () => file);
  assert.deepEqual(
    environments.map(({ environment, steps }) => [environment, steps.map(({ step }) => step)]),
    [
      ['test', []],
      ['live', ['edit-flag']],
    ],
  );
});

test('an export has every variant of a flag, says what it cannot, and changes nothing where it can', async () => {
  const different = exportedFlags(await world(there({ no: '', x: 'x' }, 2), there({ no: '', y: 'y' }, 5)));
  assert.deepEqual(different.file.flags.a!.variants, { no: '', x: 'x', y: 'y' });
  assert.match(different.notes.join(), /^a has other variants.* in live: the file says those of test$/);
  assert.ok(parseFlagsFile(printFlagsFile(different.file)).file);

  const current = await world(there({ no: '', x: 'x' }, 2), there({ no: '', x: 'x' }, 5));
  const { file, notes } = exportedFlags(current);
  assert.deepEqual(notes, []);
  assert.ok(isEmptyPlan(planAgainst(current, () => fileOf(printFlagsFile(file)))));
});

test('a flag that is archived in an environment is left as it is there, and out of an export', async () => {
  const current = await world(there({ no: '' }, 2), there({ no: '' }, 5, true));
  const file = fileOf(`
project: shop
flags: { a: { variants: { no: "" }, environments: { live: { off: no, serve: no, mode: off } } } }
`);
  const plan = planAgainst(current, () => file);
  assert.ok(isEmptyPlan(plan));
  assert.match(
    plan.left.map(({ what, why }) => `${what}: ${why}`).join(),
    /flag a in live: .*archived there/,
  );
  assert.deepEqual(Object.keys(exportedFlags(current).file.flags.a!.environments), ['test']);
  const nowhere = exportedFlags(await world(there({ no: '' }, 2, true), there({ no: '' }, 5, true)));
  assert.deepEqual([nowhere.file.flags, nowhere.notes.length], [{}, 1]);
});
