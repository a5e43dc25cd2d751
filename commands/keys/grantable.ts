/** What a caller may put on a key: nothing that it does not hold, nothing that reaches out of its tenant. */
import type { Rejection } from '../../schemas/errors.ts';
import { grants, permissions, platformDomains } from '../../schemas/permissions.ts';
import { DEFAULT_TENANT } from '../tenants/default-tenant.ts';

/** Whether the held permissions contain everything that `wanted`, a wildcard too, stands for. */
export function covers(held: readonly string[], wanted: string): boolean {
  if (held.includes('*:*') || held.includes(wanted)) return true;
  if (wanted === '*:*') return false;
  if (!wanted.endsWith(':*')) return grants(held, wanted);
  const domain = wanted.slice(0, -1);
  return permissions.filter((p) => p.startsWith(domain)).every((p) => grants(held, p));
}

/** Whether a key of `tenant` that carries `held` may do `wanted`: platform permissions count in one tenant alone. */
export function honours(held: readonly string[], wanted: string, tenant: string): boolean {
  const domain = wanted.slice(0, wanted.indexOf(':'));
  return grants(held, wanted) && (tenant === DEFAULT_TENANT || !platformDomains.includes(domain));
}

/**
 * Null when a caller that holds `held` may give `requested` to a key of `tenant`. `*:*` outside the
 * default tenant is everything that counts there.
 */
export function ungrantable(
  held: readonly string[],
  requested: readonly string[],
  tenant: string,
): Rejection | null {
  const reaching = requested.filter(
    (p) => tenant !== DEFAULT_TENANT && platformDomains.includes(p.slice(0, p.indexOf(':'))),
  );
  if (reaching.length > 0) {
    return {
      code: 'permission_escalation',
      detail: `Only keys of the default tenant may carry ${reaching.join(', ')}.`,
    };
  }
  const missing = requested.filter((p) => !covers(held, p));
  if (missing.length === 0) return null;
  return { code: 'permission_escalation', detail: `The calling key does not carry ${missing.join(', ')}.` };
}
