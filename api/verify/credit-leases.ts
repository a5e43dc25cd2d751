/** The port of the commands by which a process takes credits to spend from memory, and gives them back. */
import type { KeyState } from '../../commands/keys/key-state.ts';

export type Leased =
  | {
      readonly kind: 'leased';
      readonly leaseId: string;
      readonly amount: number;
      /** The key as the lease left it. */
      readonly key: KeyState;
    }
  | {
      readonly kind: 'exhausted';
      readonly key: KeyState;
      /** When a refill falls due, or null: never by itself. */
      readonly refillAtMs: number | null;
    };

/** The commands that lease and give back. A throw leaves the outcome unknown: that block is lost. */
export interface CreditLeases {
  /** At most `units`, and at most 1 % of the balance, but at least one while there is one. */
  lease(tenant: string, keyId: string, units: number): Promise<Leased>;
  giveBack(tenant: string, keyId: string, leaseId: string, amount: number): Promise<void>;
}
