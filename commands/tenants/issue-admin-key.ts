/** The first management key of a tenant, issued from the default tenant. */
import type { IssueAdminKey } from '../../schemas/commands/tenants.ts';
import type { TenantId } from '../../schemas/envelope.ts';
import type { CommandContext } from '../execute.ts';
import { type IssueOutcome, issueKey } from '../keys/issue-key.ts';
import type { Grantor, KeyDeps } from '../keys/key-command.ts';

/**
 * The key belongs to the tenant named, not to the caller's, and carries nothing that the caller does not.
 * `context`: at `tenant-<id>/admin-keys`.
 */
export function issueAdminKey(
  deps: KeyDeps,
  context: CommandContext,
  grantor: Grantor,
  input: IssueAdminKey & { readonly tenantId: TenantId },
): Promise<IssueOutcome> {
  const { tenantId, name, permissions, expiresAt } = input;
  return issueKey(deps, { ...context, tenant: tenantId }, grantor, {
    use: 'management',
    environment: null,
    mode: 'live',
    ownerId: null,
    name,
    metadata: null,
    scopes: [],
    permissions,
    limits: [],
    credits: null,
    expiresAt,
    notBefore: null,
    allowedIps: [],
  });
}
