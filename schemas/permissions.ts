/** What a management key may do here: `<domain>:<verb>`. */
import { z } from 'zod';

export const permissions = [
  'keys:read',
  'keys:write',
  'keys:verify',
  'owners:write',
  'usage:read',
  'tenants:read',
  'tenants:write',
  'subjects:erase',
  'projections:read',
  'projections:write',
  'flags:read',
  'flags:write',
  'flags:kill',
  'flags:approve',
  'projects:write',
] as const;

export const permissionDomains: readonly string[] = [
  ...new Set(permissions.map((p) => p.slice(0, p.indexOf(':')))),
];

/** A permission, all of a domain (`keys:*`), or everything (`*:*`). */
export const permissionSchema = z.enum([...permissions, ...permissionDomains.map((d) => `${d}:*`), '*:*'] as [
  string,
  ...string[],
]);
/**
 * What a key carries, as events keep it: any domain, any verb. A new permission is no new version of the
 * events then, and a process of the release before reads what it does not know instead of parking the key.
 */
export const heldPermissionsSchema = z.array(
  z.string().regex(/^(?:\*|[a-z][a-z0-9-]{0,39}):(?:\*|[a-z][a-z0-9-]{0,39})$/),
);
export type Permission = (typeof permissions)[number];

/** Whether the held permissions (wildcards included) contain the wanted one. */
export function grants(held: readonly string[], wanted: string): boolean {
  const domain = wanted.slice(0, wanted.indexOf(':'));
  return held.includes(wanted) || held.includes(`${domain}:*`) || held.includes('*:*');
}

/** Permissions that only keys of the default tenant may carry: they reach across tenants. */
export const platformDomains: readonly string[] = ['tenants', 'projections'];
