/** Flag sets that flagd's JSON Schema takes and refuses, both ways: what is imported here, and what is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importFlagd } from '../../commands/flags/import-flagd.ts';
import type { Json, JsonObject } from '../../schemas/json.ts';
import { schemaFault } from './flagd-schema.ts';

const variants = { on: true, off: false };
const flag = (more: JsonObject): JsonObject => ({ flags: { flag: { state: 'ENABLED', variants, ...more } } });
const targeted = (targeting: Json) => flag({ defaultVariant: 'off', targeting });
const by: Json = { var: 'targetingKey' };

const positive: Record<string, JsonObject> = {
  'no default': flag({}),
  'a null default': flag({ defaultVariant: null }),
  'empty targeting': targeted({}),
  'metadata of the set and of a flag': {
    ...flag({ metadata: { n: 1, s: 'x', b: true } }),
    metadata: { version: '1' },
  },
  'the largest numbers': flag({
    variants: { most: Number.MAX_SAFE_INTEGER, least: Number.MIN_SAFE_INTEGER },
  }),
  texts: flag({ variants: { a: 'x', b: '' } }),
  objects: flag({ variants: { a: {}, b: { c: [1] } } }),
  'a chain of if': targeted({ if: [{ '===': [{ var: 'a' }, 1] }, 'on', { '!!': [by] }, 'off', 'on'] }),
  'if without else': targeted({ if: [{ in: ['@', { var: 'email' }] }, 'on'] }),
  'injected properties': targeted({ if: [{ '>': [{ var: '$flagd.timestamp' }, 5] }, 'on', 'off'] }),
  'a shared evaluator': {
    ...targeted({ if: [{ $ref: 'staff' }, 'on', null] }),
    $evaluators: { staff: { ends_with: [{ var: 'email' }, '@example.com'] } },
  },
  'fractional by default': targeted({
    fractional: [
      ['on', 25],
      ['off', 75],
    ],
  }),
  'fractional by a seed': targeted({ fractional: [{ cat: ['seed', by] }, ['on', 1], ['off', 1]] }),
  'fractional without weights': targeted({ fractional: [['on'], ['off']] }),
  'a version': targeted({ if: [{ sem_ver: [{ var: 'version' }, '>=', '1.2.3-rc.1'] }, 'on', 'off'] }),
};

/** Refused by the schema; `null`: this engine takes it, for flagd's own engines do. */
const negative: Record<string, readonly [JsonObject, RegExp | null]> = {
  'empty variants': [flag({ variants: {} }), /variants/],
  'no variants': [{ flags: { flag: { state: 'ENABLED' } } }, /expected record/],
  'mixed types': [flag({ variants: { a: 1, b: 'x' } }), /not all of one type/],
  'no state': [{ flags: { flag: { variants } } }, /state/],
  'another state': [flag({ state: 'ON' }), /state/],
  'a flag that is none': [{ flags: { flag: [] } }, /no object/],
  // What a provider reads; a flagd reads lists, too.
  'flags in a list': [{ flags: [{ key: 'flag', state: 'ENABLED', variants }] }, null],
  'nested metadata of a flag': [flag({ defaultVariant: 'on', metadata: { owner: {} } }), null],
  'nested metadata of the set': [{ ...flag({}), metadata: { owner: [] } }, null],
  'a number too large': [flag({ variants: { big: 2 ** 53 } }), null],
  'an operator that is none': [targeted({ sounds_like: [{ var: 'a' }, 'b'] }), /no operator/],
  'several operators at once': [targeted({ if: [true, 'on', 'off'], and: [true] }), null],
  'an injected property that is none': [
    targeted({ if: [{ '===': [{ var: '$flagd.user' }, 1] }, 'on', 'off'] }),
    null,
  ],
  'a bucket that is none': [targeted({ fractional: [{ cat: ['s', by] }, ['on', 1], 'off'] }), null],
  'a weight that is none': [
    targeted({
      fractional: [
        ['on', 'much'],
        ['off', 1],
      ],
    }),
    null,
  ],
  'a weight below zero': [
    targeted({
      fractional: [
        ['on', -1],
        ['off', 1],
      ],
    }),
    null,
  ],
  'a range that is none': [targeted({ if: [{ sem_ver: [{ var: 'v' }, '=>', '1.2.3'] }, 'on', 'off'] }), null],
  'a version that is none': [
    targeted({ if: [{ sem_ver: [{ var: 'v' }, '=', '1.2.x'] }, 'on', 'off'] }),
    null,
  ],
  'a text that is none': [targeted({ if: [{ ends_with: [{ var: 'email' }, 5] }, 'on', 'off'] }), null],
};

for (const [name, flagSet] of Object.entries(positive)) {
  test(`the schema takes ${name}, and so does the import`, () => {
    assert.equal(schemaFault(flagSet), null);
    assert.deepEqual(
      importFlagd(flagSet).findings.filter(({ what }) => what === 'skipped'),
      [],
    );
  });
}

for (const [name, [flagSet, message]] of Object.entries(negative)) {
  test(`the schema refuses ${name}; the import ${message ? 'leaves it out' : 'takes what flagd takes'}`, () => {
    assert.notEqual(schemaFault(flagSet), null);
    const skipped = importFlagd(flagSet).findings.filter(({ what }) => what === 'skipped');
    if (message) assert.match(skipped.map((finding) => finding.message).join(), message);
    else assert.deepEqual(skipped, []);
  });
}
