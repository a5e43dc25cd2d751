import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { flagsFile } from '../../test/flags/generated-files.ts';
import { parseFlagsFile } from './flags-file.ts';
import { printFlagsFile } from './print-flags-file.ts';

test('what is written is read as what it was', () => {
  let flags = 0;
  fc.assert(
    fc.property(flagsFile, (given) => {
      const written = printFlagsFile(given);
      const { file: read, faults } = parseFlagsFile(written);
      assert.deepEqual(faults, undefined, written);
      assert.deepEqual(read, given, written);
      flags += Object.keys(given.flags).length;
    }),
    { numRuns: 200, seed: 20261125 },
  );
  assert.ok(flags > 200);
});

test('it is written as a person would', () => {
  const text = `project: shop
segments:
  production:
    staff:
      attribute: email
      is: ends_with
      value: "@example.com"
flags:
  new-checkout:
    type: boolean
    kind: release
    owner:
      team: payments
    tags:
      - checkout
    expiresAt: 2027-01-31
    variants:
      on: true
      off: false
    environments:
      production:
        off: off
        requires:
          payments-v2:
            - on
        targets:
          on:
            - user-1
        rules:
          - id: staff
            when:
              segment: staff
            serve: on
          - id: half
            when:
              attribute: plan
              is: equals
              value: pro
            rollout:
              exposure: 50%
              by: company
        rollout: 25%
`;
  const { file, faults } = parseFlagsFile(text);
  assert.deepEqual(faults, undefined);
  assert.equal(printFlagsFile(file!), text);
});
