/** Leases and returns as the process that spends from memory asks for them. */
import { PlinthError } from '../../schemas/errors.ts';
import { uuidv5 } from '../ids.ts';
import { systemContext } from '../system-context.ts';
import type { KeyDeps } from './key-command.ts';
import type { KeyState } from './key-state.ts';
import { leaseCredits } from './lease-credits.ts';
import { returnCredits } from './return-credits.ts';

type Leased =
  | { readonly kind: 'leased'; readonly leaseId: string; readonly amount: number; readonly key: KeyState }
  | { readonly kind: 'exhausted'; readonly key: KeyState; readonly refillAtMs: number | null };

/**
 * Each call of `lease` is a lease of its own, so that what it answers was never taken up before. A
 * refusal (the key was revoked meanwhile) is thrown as `PlinthError`.
 *
 * @param writer one life of one process
 */
export function creditLeases(deps: KeyDeps, writer: string) {
  return {
    async lease(tenant: string, keyId: string, units: number): Promise<Leased> {
      const leaseId = uuidv5('lease', writer, deps.random.bytes(16));
      const context = systemContext('credits', tenant, ['lease', leaseId]);
      const outcome = await leaseCredits(deps, context, { keyId, leaseId, writer, units });
      if (outcome.kind !== 'rejected') return outcome;
      const { code, detail, ...more } = outcome.rejection;
      throw new PlinthError(code, detail, more);
    },
    async giveBack(tenant: string, keyId: string, leaseId: string, amount: number): Promise<void> {
      const context = systemContext('credits', tenant, ['return', leaseId]);
      const outcome = await returnCredits(deps, context, { keyId, leaseId, amount });
      if (outcome.kind !== 'rejected') return;
      throw new PlinthError(outcome.rejection.code, outcome.rejection.detail);
    },
  };
}
