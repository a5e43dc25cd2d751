import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { issueAdminKeySchema, TENANT_ADMIN_PERMISSIONS } from '../../schemas/commands/tenants.ts';
import type { TenantEvent } from '../../schemas/events/tenants.ts';
import { specOf } from '../../test/support/given-when-then.ts';
import { everything, keysWorld } from '../../test/support/keys-world.ts';
import { tenantIdOf } from '../ids.ts';
import { createTenant, decideCreateTenant } from './create-tenant.ts';
import { DEFAULT_TENANT } from './default-tenant.ts';
import { issueAdminKey } from './issue-admin-key.ts';
import { decideResumeTenant } from './resume-tenant.ts';
import { decideSuspendTenant } from './suspend-tenant.ts';
import { evolveTenant, noTenant, type TenantState } from './tenant-state.ts';

const { given } = specOf<TenantState, TenantEvent>({ initial: noTenant, evolve: evolveTenant });
const created = (slug: string): TenantEvent => ({
  type: 'tenant.created',
  data: { tenantId: tenantIdOf(slug), slug, name: null },
});
const suspended: TenantEvent = { type: 'tenant.suspended', data: { reason: 'unpaid' } };
const resumed: TenantEvent = { type: 'tenant.resumed', data: { reason: 'paid' } };

describe('a tenant, decided', () => {
  test('is created once for each slug', () => {
    given().when(decideCreateTenant, { slug: 'acme', name: null }).thenEvents(created('acme'));
    const refused = given(created('acme')).when(decideCreateTenant, { slug: 'acme', name: null });
    assert.deepEqual(refused.thenRefused('already_exists').extra, { tenantId: tenantIdOf('acme') });
  });
  test('is suspended and resumed, and nothing twice', () => {
    given(created('acme')).when(decideSuspendTenant, { reason: 'unpaid' }).thenEvents(suspended);
    given(created('acme'), suspended).when(decideSuspendTenant, { reason: 'unpaid' }).thenEvents();
    given(created('acme'), suspended).when(decideResumeTenant, { reason: 'paid' }).thenEvents(resumed);
    given(created('acme'), suspended, resumed).when(decideResumeTenant, { reason: 'paid' }).thenEvents();
  });
  test('that does not exist is not found', () => {
    given().when(decideSuspendTenant, { reason: null }).thenRefused('not_found');
    given().when(decideResumeTenant, { reason: null }).thenRefused('not_found');
  });
  test('the default tenant cannot be suspended: nobody could resume it', () => {
    given(created('default')).when(decideSuspendTenant, { reason: null }).thenRefused('conflict');
  });
});

describe('tenants, through the log', () => {
  test('a retry of a creation is answered, another creation of the slug refused', async () => {
    const { deps, context } = await keysWorld();
    const create = (key?: string) =>
      createTenant(deps, context('tenants/beta', key), { slug: 'beta', name: 'Beta' });
    const first = await create('k');
    const again = await create('k');
    const other = await create();
    assert.ok(first.kind === 'accepted' && again.kind === 'accepted' && again.replayed);
    assert.deepEqual(again.state, first.state);
    assert.equal(other.kind === 'rejected' && other.rejection.code, 'already_exists');
  });

  test('the admin key of a tenant belongs to it, and carries no more than its issuer may give', async () => {
    const { deps, context, tenant } = await keysWorld();
    const from = { ...context(`tenant-${tenant}/admin-keys`), tenant: DEFAULT_TENANT };
    const input = { ...issueAdminKeySchema.parse({}), tenantId: tenant };
    const outcome = await issueAdminKey(deps, from, everything, input);
    assert.ok(outcome.kind === 'accepted' && outcome.secret !== null);
    const { state } = outcome;
    assert.deepEqual([state.tenant, state.use], [tenant, 'management']);
    assert.deepEqual(state.permissions, TENANT_ADMIN_PERMISSIONS);
    const weak = { permissions: ['tenants:*', 'keys:read'] };
    const refused = await issueAdminKey(
      deps,
      { ...from, ...context('x'), tenant: DEFAULT_TENANT },
      weak,
      input,
    );
    assert.equal(refused.kind === 'rejected' && refused.rejection.code, 'permission_escalation');
    const reaching = { ...input, permissions: ['tenants:read'] };
    const platform = await issueAdminKey(deps, context('y'), everything, reaching);
    assert.equal(platform.kind === 'rejected' && platform.rejection.code, 'permission_escalation');
  });
});
