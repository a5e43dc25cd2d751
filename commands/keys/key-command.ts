/** What all commands at one key share: who asks, what they fold besides the key, what is refused first. */
import type { DecodedEvent, StreamId, TenantId } from '../../schemas/envelope.ts';
import type { KeyEvent, OwnerEvent } from '../../schemas/events/keys.ts';
import type { Decision } from '../decider.ts';
import { reject } from '../decider.ts';
import { type CommandContext, type ExecuteDeps, execute, fold, type Outcome } from '../execute.ts';
import type { Peppers } from '../peppers.ts';
import { keyStream, ownerStream } from '../streams.ts';
import { ungrantable } from './grantable.ts';
import { isRevoked } from './is-revoked.ts';
import { evolveKey, type KeyState, noKey } from './key-state.ts';
import { evolveOwner, noOwner, type OwnerState } from './owner-state.ts';

export interface KeyDeps extends ExecuteDeps {
  readonly peppers: Peppers;
}

/** Makes the context of a command at a target: for those that aim at many. */
export type ContextFor = (target: StreamId | string) => CommandContext;

/** Permissions that the caller carries; what it may give depends on them. */
export interface Grantor {
  readonly permissions: readonly string[];
}

/** What every command at a key knows besides the key. */
export interface KeyFacts {
  readonly tenant: string;
  readonly nowMs: number;
  readonly owner: OwnerState;
}

export const nothing: Decision<never> = { accept: [] };

export const notFound = reject({ code: 'not_found', detail: 'There is no such key.' });
export const keyIsRevoked = reject({
  code: 'conflict',
  detail: 'The key is revoked; nothing brings it back.',
});

/** Refuses what is not the caller's, and what is revoked by itself or through its owner. */
export function refusal(facts: KeyFacts, key: KeyState): ReturnType<typeof reject> | null {
  if (!belongs(facts, key)) return notFound;
  return isRevoked(key, facts.owner) ? keyIsRevoked : null;
}

/** Another tenant's key does not exist here. */
export function belongs(facts: Pick<KeyFacts, 'tenant'>, key: KeyState): boolean {
  return key.version > 0 && key.tenant === facts.tenant;
}

/** Whoever changes a management key must hold what it carries, or the change would be a way to get it. */
export function beyondCaller(key: KeyState, grantor: Grantor): ReturnType<typeof reject> | null {
  const rejection = ungrantable(grantor.permissions, key.permissions, key.tenant);
  return rejection && reject(rejection);
}

export interface KeyChange<C> {
  readonly context: CommandContext;
  readonly keyId: string;
  readonly ifVersion?: number;
  /** Pure. */
  decide(command: C & KeyFacts, key: KeyState): Decision<KeyEvent>;
  /** What the decider is told, made anew for each attempt; `key` is the caller's own. */
  command(facts: KeyFacts, key: KeyState, events: readonly DecodedEvent[]): C;
}

type Accepted<S> = Extract<Outcome<S>, { kind: 'accepted' }>;
type Rejected = Extract<Outcome<KeyState>, { kind: 'rejected' }>;

/** What a command at a key came to, with the owner that its state must be read with (`keyView`). */
export type KeyOutcome = (Accepted<KeyState> & { readonly owner: OwnerState }) | Rejected;

/** Folds the key and its owner, decides, appends. */
export async function changeKey<C extends object>(deps: KeyDeps, change: KeyChange<C>): Promise<KeyOutcome> {
  const { context, ifVersion } = change;
  const folded: { owner?: OwnerState } = {};
  const outcome = await execute<KeyState, C & KeyFacts, KeyEvent>(deps, {
    decider: { initial: noKey, evolve: evolveKey, decide: change.decide },
    stream: keyStream(change.keyId),
    context,
    ifVersion,
    ownOnly: true,
    async command({ nowMs, state, events }) {
      const key = belongs(context, state) ? state : noKey;
      const owner = await ownerOf(deps, context.tenant, key.ownerId);
      folded.owner = owner;
      const facts = { tenant: context.tenant, nowMs, owner };
      // A key that is not the caller's gives nothing to the command: its decider refuses it unseen.
      return { ...change.command(facts, key, key.version > 0 ? events : []), ...facts };
    },
  });
  return withOwner(deps, outcome, folded.owner);
}

/** The owner as the decision saw it; as it is now where the command had been handled before. */
export async function withOwner(
  deps: Pick<ExecuteDeps, 'log' | 'codec'>,
  outcome: Outcome<KeyState>,
  seen: OwnerState | undefined,
): Promise<KeyOutcome> {
  if (outcome.kind === 'rejected') return outcome;
  const { tenant, ownerId } = outcome.state;
  const owner = outcome.replayed || seen === undefined ? await ownerOf(deps, tenant, ownerId) : seen;
  return { ...outcome, owner };
}

export async function ownerOf(
  deps: Pick<ExecuteDeps, 'log' | 'codec'>,
  tenant: TenantId | string,
  ownerId: string | null,
): Promise<OwnerState> {
  if (ownerId === null) return noOwner;
  const folded = await fold<OwnerState, OwnerEvent>(
    deps,
    { initial: noOwner, evolve: evolveOwner },
    ownerStream(tenant, ownerId),
  );
  return folded.state;
}
