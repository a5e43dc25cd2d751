import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { issued, keySpec, SPEC_START_MS } from '../../test/support/key-spec.ts';
import { explainVerdict } from './explain-verdict.ts';
import { type KeyState, noKey } from './key-state.ts';
import { judge } from './verdict.ts';

const nowMs = SPEC_START_MS;
const base = keySpec.given(issued({ ownerId: 'own_1', ownerVersion: 2, scopes: ['files.*', 'mail'] })).state;
const instant = fc.constantFrom(null, nowMs - 1, nowMs, nowMs + 1);
const keys: fc.Arbitrary<KeyState> = fc
  .record({
    disabled: fc.boolean(),
    expired: fc.boolean(),
    revokedAtMs: fc.constantFrom(null, nowMs),
    notBeforeMs: instant,
    expiresAtMs: instant,
    ownerVersion: fc.nat(4),
    allowedIps: fc.constantFrom([], ['192.0.2.0/24']),
  })
  .map((part) => ({ ...base, ...part }));
const cases = fc.record({
  facts: fc.record({
    key: fc.oneof({ weight: 9, arbitrary: keys }, { weight: 1, arbitrary: fc.constantFrom(null, noKey) }),
    owner: fc.nat(4).map((v) => ({ version: v, revokedAllVersion: v, revokedAllAtMs: nowMs })),
    suspended: fc.boolean(),
    parked: fc.boolean(),
  }),
  request: fc.record({
    ip: fc.constantFrom(undefined, '192.0.2.7', '198.51.100.1'),
    scopes: fc.constantFrom(
      undefined,
      'files.read',
      { any: ['x', { all: ['mail', 'files.write'] }] },
      { all: ['x'] },
    ),
  }),
});

describe('an explanation', () => {
  test('comes to the same code as the judge, and that code is its first failed check’s', () => {
    fc.assert(
      fc.property(cases, ({ facts, request }) => {
        const { code, checks } = explainVerdict(facts, request, nowMs);
        assert.equal(code, judge(facts, request, nowMs) ?? 'VALID');
        assert.equal(code, checks.find((check) => !check.passed)?.code ?? 'VALID');
        assert.ok(checks.every((check) => check.detail.length > 0));
      }),
      { numRuns: 500 },
    );
  });

  test('tells the checks after the first failure, too', () => {
    const key = { ...base, disabled: true, expiresAtMs: nowMs };
    const facts = {
      key,
      owner: { version: 0, revokedAllVersion: 0, revokedAllAtMs: 0 },
      suspended: false,
      parked: false,
    };
    const { code, checks } = explainVerdict(facts, { scopes: ['mail', 'sms'] }, nowMs);
    assert.equal(code, 'DISABLED');
    assert.deepEqual(
      checks.filter((c) => !c.passed).map((c) => c.code),
      ['DISABLED', 'EXPIRED', 'INSUFFICIENT_PERMISSIONS'],
    );
    assert.equal(checks.at(-1)?.detail, 'asked for (mail and sms); it holds files.*, mail');
  });
});
