/** A process takes a block of a key's credits, to spend it from memory. */
import type { KeyEvent } from '../../schemas/events/keys.ts';
import type { Decision } from '../decider.ts';
import type { CommandContext } from '../execute.ts';
import { dueRefill, nextRefillAtMs } from './due-refill.ts';
import { changeKey, type KeyDeps, type KeyFacts, type KeyOutcome, nothing, refusal } from './key-command.ts';
import type { KeyState } from './key-state.ts';

/** One block is at most this share of the balance, and at least one credit: what a crash can lose. */
const MAX_SHARE = 0.01;

export interface LeaseCredits {
  readonly leaseId: string;
  /** One life of one process. */
  readonly writer: string;
  /** What waits to be spent, at least 1. */
  readonly units: number;
}

/** Refills that are due come first, in the same append. An exhausted key answers with nothing. */
export function decideLeaseCredits(command: LeaseCredits & KeyFacts, key: KeyState): Decision<KeyEvent> {
  const refused = refusal(command, key);
  if (refused) return refused;
  if (key.credits === null) return nothing;
  const events: KeyEvent[] = [];
  let { remaining } = key.credits;
  const refill = dueRefill(key.credits, command.nowMs);
  if (refill) {
    remaining = refill.remaining;
    const dueAt = new Date(refill.dueAtMs).toISOString();
    events.push({ type: 'key.credits-refilled', data: { remaining, dueAt } });
  }
  const amount = Math.min(command.units, remaining, Math.max(1, Math.floor(remaining * MAX_SHARE)));
  if (amount >= 1) {
    const { leaseId, writer } = command;
    events.push({ type: 'key.credits-leased', data: { leaseId, writer, amount } });
  }
  return { accept: events };
}

export type LeaseOutcome =
  | {
      readonly kind: 'leased';
      readonly leaseId: string;
      readonly amount: number;
      /** The key as the lease left it: a balance with a later `sinceVersion` voids the block. */
      readonly key: KeyState;
      /** False: this very lease was answered before, and may have been taken up then. */
      readonly first: boolean;
    }
  | { readonly kind: 'exhausted'; readonly key: KeyState; readonly refillAtMs: number | null }
  | Extract<KeyOutcome, { kind: 'rejected' }>;

/** `context`: at the key's stream, with a commandId that belongs to the lease id. */
export async function leaseCredits(
  deps: KeyDeps,
  context: CommandContext,
  input: LeaseCredits & { readonly keyId: string },
): Promise<LeaseOutcome> {
  const { keyId, ...command } = input;
  const outcome = await changeKey(deps, {
    context,
    keyId,
    decide: decideLeaseCredits,
    command: () => command,
  });
  if (outcome.kind === 'rejected') return outcome;
  const key = outcome.state;
  for (const event of outcome.events as readonly KeyEvent[]) {
    if (event.type !== 'key.credits-leased') continue;
    const { leaseId, amount } = event.data;
    return { kind: 'leased', leaseId, amount, key, first: !outcome.replayed };
  }
  // Not judged by the clock again: a refill that fell due since the decision is due still, not the one after it.
  return { kind: 'exhausted', key, refillAtMs: nextRefillAtMs(key.credits) };
}
