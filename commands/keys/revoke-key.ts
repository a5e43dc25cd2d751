/** Ends a key at once and for good. */
import type { RevokeKey, RevokeKeys } from '../../schemas/commands/keys.ts';
import type { KeyEvent } from '../../schemas/events/keys.ts';
import type { Decision } from '../decider.ts';
import type { CommandContext } from '../execute.ts';
import { keyStream } from '../streams.ts';
import { isRevoked } from './is-revoked.ts';
import {
  belongs,
  type ContextFor,
  changeKey,
  type KeyDeps,
  type KeyFacts,
  type KeyOutcome,
  notFound,
  nothing,
} from './key-command.ts';
import type { KeyState } from './key-state.ts';

/** A key that is revoked, through its owner too, is as it was wanted. */
export function decideRevoke(command: RevokeKey & KeyFacts, key: KeyState): Decision<KeyEvent> {
  if (!belongs(command, key)) return notFound;
  if (isRevoked(key, command.owner)) return nothing;
  const { reason } = command;
  return { accept: [{ type: 'key.revoked', data: { ownerId: key.ownerId, reason, cause: 'request' } }] };
}

/** Revoking a revoked key changes nothing and is no error. `context`: at the key's stream. */
export function revokeKey(
  deps: KeyDeps,
  context: CommandContext,
  input: RevokeKey & { readonly keyId: string; readonly ifVersion?: number },
): Promise<KeyOutcome> {
  const { keyId, ifVersion, reason } = input;
  return changeKey(deps, { context, keyId, ifVersion, decide: decideRevoke, command: () => ({ reason }) });
}

/** Each by itself, in the order asked for. A key that could not be revoked does not hold up the others. */
export function revokeKeys(
  deps: KeyDeps,
  contextFor: ContextFor,
  input: RevokeKeys,
): Promise<readonly { readonly keyId: string; readonly outcome: KeyOutcome }[]> {
  return Promise.all(
    input.keyIds.map(async (keyId) => {
      const { reason } = input;
      return { keyId, outcome: await revokeKey(deps, contextFor(keyStream(keyId)), { keyId, reason }) };
    }),
  );
}
