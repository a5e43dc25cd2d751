import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { verifyCodes } from '../../schemas/verify-codes.ts';
import { ipMatches } from './allowed-ips.ts';
import { type KeyState, noKey } from './key-state.ts';
import { noOwner } from './owner-state.ts';
import { scopesSatisfy } from './scope-query.ts';
import { judge } from './verdict.ts';

const NOW = 1_000_000;
const good: KeyState = { ...noKey, version: 1, ownerId: 'o', ownerVersion: 1, scopes: ['a'] };

describe('the verdict on a key', () => {
  it('is the first code that denies, in the order of the closed list', () => {
    const faults = {
      parked: { facts: { parked: true }, key: {}, code: 'STREAM_PARKED' },
      suspended: { facts: { suspended: true }, key: {}, code: 'TENANT_SUSPENDED' },
      revoked: { facts: {}, key: { revokedAtMs: 1 }, code: 'REVOKED' },
      owner: { facts: { owner: { ...noOwner, revokedAllVersion: 2 } }, key: {}, code: 'REVOKED' },
      disabled: { facts: {}, key: { disabled: true }, code: 'DISABLED' },
      early: { facts: {}, key: { notBeforeMs: NOW + 1 }, code: 'NOT_YET_VALID' },
      late: { facts: {}, key: { expiresAtMs: NOW }, code: 'EXPIRED' },
      expired: { facts: {}, key: { expired: true }, code: 'EXPIRED' },
      ip: { facts: {}, key: { allowedIps: ['10.0.0.1'] }, code: 'FORBIDDEN' },
      scope: { facts: {}, key: { scopes: [] }, code: 'INSUFFICIENT_PERMISSIONS' },
    } as const;
    const names = Object.keys(faults) as (keyof typeof faults)[];
    fc.assert(
      fc.property(fc.subarray(names), (chosen) => {
        let key: KeyState = good;
        let facts = { owner: noOwner, suspended: false, parked: false };
        for (const name of chosen) {
          key = { ...key, ...faults[name].key };
          facts = { ...facts, ...faults[name].facts };
        }
        const expected = chosen
          .map((name) => faults[name].code)
          .sort((a, b) => verifyCodes.indexOf(a) - verifyCodes.indexOf(b))[0];
        assert.equal(judge({ key, ...facts }, { scopes: 'a' }, NOW), expected ?? null);
      }),
    );
  });

  it('is NOT_FOUND where there is no key', () => {
    assert.equal(judge({ key: null, owner: noOwner, suspended: true, parked: true }, {}, NOW), 'NOT_FOUND');
  });

  it('lets a key live through the millisecond before its expiry and from its not-before on', () => {
    const key = { ...good, notBeforeMs: NOW, expiresAtMs: NOW + 1 };
    assert.equal(judge({ key, owner: noOwner, suspended: false, parked: false }, {}, NOW), null);
  });
});

describe('a scope query', () => {
  const held = ['invoices:read', 'files.*'];
  for (const [query, expected] of [
    ['invoices:read', true],
    ['invoices:write', false],
    ['files.read', true],
    ['file', false],
    [[], true],
    [['invoices:read', 'files.read'], true],
    [['invoices:read', 'x'], false],
    [{ any: ['x', 'invoices:read'] }, true],
    [{ any: ['x', { all: ['invoices:read', 'y'] }] }, false],
    [{ all: ['invoices:read', { any: ['x', 'files.write'] }] }, true],
    [{ all: ['invoices:read', { any: ['x', 'y'] }] }, false],
  ] as const) {
    it(`${JSON.stringify(query)} is ${expected ? '' : 'not '}satisfied by ${held}`, () => {
      assert.equal(scopesSatisfy(query as Parameters<typeof scopesSatisfy>[0], held), expected);
    });
  }
});

describe('allowed addresses', () => {
  const allowed = ['10.0.0.0/8', '192.168.1.7', '2001:db8::/32', '::1'];
  for (const [ip, expected] of [
    ['10.255.0.1', true],
    ['11.0.0.1', false],
    ['192.168.1.7', true],
    ['192.168.1.8', false],
    ['::ffff:10.1.1.1', true],
    ['2001:db8:1::5', true],
    ['2001:db9::5', false],
    ['::1', true],
    ['nonsense', false],
    ['', false],
  ] as const) {
    it(`${expected ? 'admit' : 'refuse'} "${ip}"`, () => assert.equal(ipMatches(allowed, ip), expected));
  }
});
