/** The flags that `eval` and `flag-load` are measured with. */
import type { Json, JsonObject } from '../schemas/json.ts';

const variants = { on: true, off: false };

function rollout(seed: string): Json {
  const by: Json = { var: 'targetingKey' };
  const dealt: Json = { fractional: [{ cat: [seed, by] }, ['on', 25_000], ['off', 75_000]] };
  return { if: [{ '!!': by }, dealt, 'off'] };
}

/** Five rules and a rollout, as the console writes them; `n` makes each a little different. */
export function fiveRules(n: number): JsonObject {
  const targeting: Json = {
    if: [
      { in: [{ var: 'targetingKey' }, [`user-${n}`, 'user-b', 'user-c']] },
      'on',
      { ends_with: [{ var: 'email' }, `@example-${n}.com`] },
      'on',
      { and: [{ '===': [{ var: 'plan' }, 'enterprise'] }, { in: [{ var: 'country' }, ['de', 'fr', 'it']] }] },
      'on',
      { sem_ver: [{ var: 'version' }, '<', '1.4.0'] },
      'off',
      { '>': [{ var: 'seats' }, 500 + n] },
      'on',
      rollout(`flag-${n}/gate`),
    ],
  };
  return { state: 'ENABLED', variants, defaultVariant: 'off', targeting };
}

export const evalCases: Readonly<Record<string, JsonObject>> = {
  boolean: { state: 'ENABLED', variants, defaultVariant: 'on' },
  fractional: { state: 'ENABLED', variants, defaultVariant: 'off', targeting: rollout('seed/gate') },
  rules: fiveRules(0),
};

/** None of the five rules holds for them: each goes through them all. */
export const contexts = Array.from({ length: 256 }, (_, n) => ({
  targetingKey: `customer-${n}`,
  email: `person-${n}@example.org`,
  plan: 'pro',
  country: 'de',
  version: '2.3.1',
  seats: 12,
}));

export const quiet = { debug() {}, info() {}, warn() {}, error() {} };
