import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { issueKeySchema } from '../../schemas/commands/keys.ts';
import {
  admin,
  DAY_MS,
  iso,
  issued,
  keySpec,
  SPEC_KEY,
  SPEC_START_MS,
  SPEC_TENANT,
} from '../../test/support/key-spec.ts';
import { everything, keysWorld } from '../../test/support/keys-world.ts';
import { KEYS_COLLECTION, tenantStream } from '../streams.ts';
import { resumeTenant } from '../tenants/resume-tenant.ts';
import { suspendTenant } from '../tenants/suspend-tenant.ts';
import { decideIssue, type IssueCommand, issueKey } from './issue-key.ts';
import { parseKey } from './key-format.ts';
import { matchSecret } from './match-secret.ts';

function command(fields: Partial<IssueCommand> = {}): IssueCommand {
  return {
    ...issueKeySchema.parse({}),
    keyId: SPEC_KEY,
    format: 'plinth',
    secret: { digest: 'digest-1', pepperVersions: [1], hint: 'aaaa' },
    nowMs: SPEC_START_MS,
    tenant: SPEC_TENANT,
    tenantState: { version: 1, suspended: false },
    ownerVersion: 0,
    grantor: admin,
    environmentExists: false,
    ...fields,
  };
}

describe('issuing a key, decided', () => {
  test('given an active tenant, a key is issued with the owner version it relied on', () => {
    keySpec
      .given()
      .when(decideIssue, command({ ownerId: 'own_1', ownerVersion: 4 }))
      .thenEvents(issued({ ownerId: 'own_1', ownerVersion: 4 }));
  });
  test('given no tenant, or a suspended one, nothing is issued', () => {
    const none = command({ tenantState: { version: 0, suspended: false } });
    keySpec.given().when(decideIssue, none).thenRefused('not_found');
    const suspended = command({ tenantState: { version: 2, suspended: true } });
    keySpec.given().when(decideIssue, suspended).thenRefused('tenant_suspended');
  });
  test('given a key of this id, it exists', () => {
    keySpec.given(issued()).when(decideIssue, command()).thenRefused('already_exists');
  });
  test('a key of use "api" carries no permissions, a management key nothing else', () => {
    const refusedFields = (fields: Partial<IssueCommand>) =>
      keySpec
        .given()
        .when(decideIssue, command(fields))
        .thenRefused('invalid_request')
        .errors?.map((error) => error.field);
    assert.deepEqual(refusedFields({ permissions: ['keys:read'] }), ['permissions']);
    const credits = { remaining: 1, refill: null };
    assert.deepEqual(refusedFields({ use: 'management', scopes: ['a'], credits }), ['scopes', 'credits']);
  });
  test('it cannot end before it begins, nor in the past', () => {
    const past = command({ expiresAt: iso(SPEC_START_MS) });
    keySpec.given().when(decideIssue, past).thenRefused('invalid_request', /past/);
    const crossed = command({
      notBefore: iso(SPEC_START_MS + DAY_MS),
      expiresAt: iso(SPEC_START_MS + DAY_MS),
    });
    keySpec
      .given()
      .when(decideIssue, crossed)
      .thenRefused('invalid_request', /before `expiresAt`/);
  });
  test('nobody grants what they do not carry', () => {
    const beyond = command({
      use: 'management',
      permissions: ['keys:write'],
      grantor: { permissions: ['keys:read'] },
    });
    keySpec
      .given()
      .when(decideIssue, beyond)
      .thenRefused('permission_escalation', /keys:write/);
  });
});

describe('issuing a key, through the log', () => {
  const body = issueKeySchema.parse({ name: 'Build server', scopes: ['builds:*'] });

  test('the secret is shown once, verifies, and is nowhere in the log', async () => {
    const world = await keysWorld();
    const { text, key } = await world.issue({ name: 'Build server' });
    assert.equal(parseKey(text)?.kind, 'plinth');
    assert.equal(matchSecret(world.deps.peppers, key.secrets, text), key.secrets[0]);
    assert.equal(matchSecret(world.deps.peppers, key.secrets, `${text.slice(0, -1)}x`), null);
    assert.ok(!world.text().includes(text.slice(25, 68)));
  });

  test('a retry answers the same key, without the secret, and appends nothing', async () => {
    const { deps, context, log } = await keysWorld();
    const first = await issueKey(deps, context(KEYS_COLLECTION, 'retry-me'), everything, body);
    const count = log.events.length;
    const again = await issueKey(deps, context(KEYS_COLLECTION, 'retry-me'), everything, body);
    assert.ok(first.kind === 'accepted' && again.kind === 'accepted');
    assert.deepEqual([first.replayed, again.replayed], [false, true]);
    assert.ok(first.secret !== null && again.secret === null);
    assert.deepEqual([again.state, again.position, log.events.length], [first.state, first.position, count]);
  });

  test('a retry is answered from its events although the tenant was suspended since', async () => {
    const { deps, context, tenant } = await keysWorld();
    const at = context(tenantStream(tenant));
    await issueKey(deps, context(KEYS_COLLECTION, 'once'), everything, body);
    await suspendTenant(deps, at, { tenantId: tenant, reason: null });
    const again = await issueKey(deps, context(KEYS_COLLECTION, 'once'), everything, body);
    assert.ok(again.kind === 'accepted' && again.replayed);
    const other = await issueKey(deps, context(KEYS_COLLECTION, 'another'), everything, body);
    assert.equal(other.kind === 'rejected' && other.rejection.code, 'tenant_suspended');
    await resumeTenant(deps, context(tenantStream(tenant)), { tenantId: tenant, reason: null });
    const now = await issueKey(deps, context(KEYS_COLLECTION, 'another'), everything, body);
    assert.equal(now.kind, 'accepted');
  });

  test('the same Idempotency-Key with another body is refused', async () => {
    const { deps, context } = await keysWorld();
    const at = (requestDigest: string) => context(KEYS_COLLECTION, 'k', { requestDigest });
    await issueKey(deps, at('one'), everything, body);
    const outcome = await issueKey(deps, at('two'), everything, body);
    assert.equal(outcome.kind === 'rejected' && outcome.rejection.code, 'idempotency_mismatch');
  });

  test('of two racing duplicates one gets the secret, and that secret verifies', async () => {
    const world = await keysWorld({ turn: () => new Promise((resolve) => setImmediate(resolve)) });
    const { deps, context } = world;
    const race = () => issueKey(deps, context(KEYS_COLLECTION, 'race'), everything, body);
    const outcomes = await Promise.all([race(), race()]);
    const shown = outcomes.flatMap((o) => (o.kind === 'accepted' && o.secret ? [o.secret.reveal()] : []));
    assert.equal(shown.length, 1);
    const key = outcomes[0]!.kind === 'accepted' ? await world.state(outcomes[0]!.state.keyId) : null;
    assert.equal(key?.version, 1);
    assert.ok(matchSecret(deps.peppers, key!.secrets, shown[0]!));
  });

  test('a lost reply of the log is asked for again, and the secret is still the right one', async () => {
    const world = await keysWorld();
    world.log.loseReplies(1);
    const issuing = world.issue();
    await world.clock.advance(1_000);
    const { text, keyId } = await issuing;
    const key = await world.state(keyId);
    assert.equal(key.version, 1);
    assert.ok(matchSecret(world.deps.peppers, key.secrets, text));
  });
});
