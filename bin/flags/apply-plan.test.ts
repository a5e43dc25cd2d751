import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlinthClientError, type WriteOptions } from '../../clients/node/index.ts';
import type { FlagsPlan } from '../../commands/flags/plan-flags.ts';
import { applyPlan } from './apply-plan.ts';
import type { CurrentFlags } from './current-flags.ts';
import type { FlagsApi } from './flags-api.ts';

const current = {
  project: { project: 'shop', version: 3, environments: [{ environment: 'live', version: 7 }] },
  flags: new Map([['a', { revision: 4 }]]),
  environments: new Map([['live', new Map([['a', { revision: 5 }]])]]),
} as unknown as CurrentFlags;
const on = { edit: 'set_mode', mode: 'on' } as const;
const off = { edit: 'set_mode', mode: 'off' } as const;
const plan: FlagsPlan = {
  project: 'shop',
  creations: [{ flag: 'b' } as FlagsPlan['creations'][number]],
  details: [{ flag: 'a', changes: { permanent: true } }],
  environments: [
    {
      environment: 'live',
      steps: [
        { step: 'put-segment', segment: 's', before: null, when: { segment: 't' } },
        { step: 'edit-flag', flag: 'a', commands: [[off], [on]], changes: [] },
        { step: 'edit-flag', flag: 'b', commands: [[on]], changes: [] },
        { step: 'remove-segment', segment: 'u', before: { segment: 't' } },
      ],
    },
  ],
  left: [],
};

/** Records what is sent; the command of that number is refused. */
function recorder(refused = Number.POSITIVE_INFINITY) {
  const sent: { what: string; ifVersion: number | undefined; key: string }[] = [];
  const take = (what: string, options: WriteOptions = {}) => {
    sent.push({ what, ifVersion: options.ifVersion, key: options.idempotencyKey! });
    if (sent.length === refused)
      throw new PlinthClientError('precondition_failed', 'It has changed.', { attempts: 1 });
  };
  const api = {
    createFlag: async (_: string, { flag }: { flag: string }, options: WriteOptions) => {
      take(`create ${flag}`, options);
      return { environments: [{ environment: 'live', problem: null }] };
    },
    updateFlag: async (_: object, flag: string, __: object, options: WriteOptions) =>
      take(`update ${flag}`, options),
    act: async (_: object, flag: string, verb: string, __: object, options: WriteOptions) => {
      take(`${verb} ${flag}`, options);
      return { revision: options.ifVersion! + 1 };
    },
    putSegment: async (_: object, segment: string, __: object, options: WriteOptions) =>
      take(`put ${segment}`, options),
    removeSegment: async (_: object, segment: string, __: null, options: WriteOptions) =>
      take(`remove ${segment}`, options),
  };
  return { sent, api: api as unknown as FlagsApi };
}

test('every command of a plan is held against the revision that it was planned on, and the answers after it', async () => {
  const { api, sent } = recorder();
  const lines: string[] = [];
  const done = await applyPlan(api, current, plan, { reason: null, say: (line) => lines.push(line) });
  assert.equal(done, 7);
  assert.deepEqual(
    sent.map(({ what, ifVersion }) => [what, ifVersion]),
    [
      ['create b', undefined],
      ['update a', 4],
      ['put s', undefined],
      ['changes a', 5],
      ['changes a', 6],
      ['changes b', 1],
      ['remove u', undefined],
    ],
  );
  assert.equal(new Set(sent.map(({ key }) => key)).size, 7);
  assert.equal(lines[3], '4 of 7  change flag a in live');
});

test('an apply stops where it fails, and the same plan sends the same commands under the same keys', async () => {
  const [broken, whole] = [recorder(5), recorder()];
  const options = { reason: null, say: () => undefined };
  await assert.rejects(applyPlan(broken.api, current, plan, options), {
    name: 'Failure',
    message:
      'change flag a in live: It has changed. 4 of 7 commands were carried out, and stay so; run it again for the rest.',
  });
  await applyPlan(whole.api, current, plan, options);
  assert.equal(broken.sent.length, 5);
  assert.deepEqual(broken.sent, whole.sent.slice(0, 5));

  const later = recorder();
  const environments = [{ environment: 'live', version: 8 }];
  const moved = { ...current, project: { ...current.project, environments } } as unknown as CurrentFlags;
  await applyPlan(later.api, moved, plan, options);
  assert.equal(later.sent[0]!.key, whole.sent[0]!.key);
  assert.notEqual(later.sent[2]!.key, whole.sent[2]!.key);
});
