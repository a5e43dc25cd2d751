import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { grants, permissionSchema, permissions } from '../../schemas/permissions.ts';
import { DEFAULT_TENANT } from '../tenants/default-tenant.ts';
import { covers, honours, ungrantable } from './grantable.ts';

const any = fc.constantFrom(...permissionSchema.options);
const some = fc.uniqueArray(any, { maxLength: 5 });

describe('what a caller may give', () => {
  test('never anything whose holder could do what the caller cannot', () => {
    fc.assert(
      fc.property(some, some, (held, requested) => {
        fc.pre(ungrantable(held, requested, DEFAULT_TENANT) === null);
        for (const p of permissions) if (grants(requested, p)) assert.ok(grants(held, p), p);
      }),
    );
  });

  test('always what it holds itself', () => {
    fc.assert(fc.property(some, (held) => assert.equal(ungrantable(held, held, DEFAULT_TENANT), null)));
  });

  test('a wildcard only to one who holds all that it stands for', () => {
    assert.equal(covers(['keys:read', 'keys:write', 'keys:verify'], 'keys:*'), true);
    assert.equal(covers(['keys:read', 'keys:write'], 'keys:*'), false);
    assert.equal(covers([...permissions], '*:*'), false);
    assert.equal(covers(['*:*'], 'keys:*'), true);
  });

  test('no platform permission to a key outside the default tenant, whoever asks', () => {
    for (const p of ['tenants:read', 'tenants:*', 'projections:write']) {
      assert.equal(ungrantable(['*:*'], [p], 'tnt_other')?.code, 'permission_escalation');
      assert.equal(ungrantable(['*:*'], [p], DEFAULT_TENANT), null);
    }
  });

  test('everything, outside the default tenant, is not the platform', () => {
    assert.equal(honours(['*:*'], 'keys:write', 'tnt_other'), true);
    assert.equal(honours(['*:*'], 'tenants:write', 'tnt_other'), false);
    assert.equal(honours(['*:*'], 'tenants:write', DEFAULT_TENANT), true);
  });
});
