/** A process that stops gives back what it leased and did not spend. */
import type { DecodedEvent } from '../../schemas/envelope.ts';
import type { KeyEvent } from '../../schemas/events/keys.ts';
import type { Decision } from '../decider.ts';
import type { CommandContext } from '../execute.ts';
import {
  belongs,
  changeKey,
  type KeyDeps,
  type KeyFacts,
  type KeyOutcome,
  notFound,
  nothing,
} from './key-command.ts';
import type { KeyState } from './key-state.ts';

export interface ReturnCredits {
  readonly leaseId: string;
  readonly amount: number;
  /** The lease as the key's stream tells it, and whether it was given back before; null: there is none. */
  readonly lease: { readonly version: number; readonly amount: number; readonly returned: boolean } | null;
}

/**
 * A lease from before the balance was last set or refilled is void: what is left of it is not in that
 * balance, and to add it would mint credits. Never more than was leased, and only once.
 */
export function decideReturnCredits(command: ReturnCredits & KeyFacts, key: KeyState): Decision<KeyEvent> {
  if (!belongs(command, key)) return notFound;
  const { lease, leaseId } = command;
  if (key.credits === null || lease === null || lease.returned) return nothing;
  if (lease.version <= key.credits.sinceVersion) return nothing;
  const amount = Math.min(command.amount, lease.amount);
  return amount < 1 ? nothing : { accept: [{ type: 'key.credits-returned', data: { leaseId, amount } }] };
}

/** `context`: at the key's stream, with a commandId that belongs to the return of this lease. */
export function returnCredits(
  deps: KeyDeps,
  context: CommandContext,
  input: { readonly keyId: string; readonly leaseId: string; readonly amount: number },
): Promise<KeyOutcome> {
  const { keyId, leaseId, amount } = input;
  return changeKey(deps, {
    context,
    keyId,
    decide: decideReturnCredits,
    command: (_facts, _key, events) => ({ leaseId, amount, lease: leaseIn(events, leaseId) }),
  });
}

function leaseIn(events: readonly DecodedEvent[], leaseId: string): ReturnCredits['lease'] {
  let lease: ReturnCredits['lease'] = null;
  for (const event of events as unknown as readonly (KeyEvent & Pick<DecodedEvent, 'version'>)[]) {
    if (event.type === 'key.credits-leased' && event.data.leaseId === leaseId) {
      lease = { version: event.version, amount: event.data.amount, returned: false };
    }
    if (event.type === 'key.credits-returned' && event.data.leaseId === leaseId && lease) {
      lease = { ...lease, returned: true };
    }
  }
  return lease;
}
