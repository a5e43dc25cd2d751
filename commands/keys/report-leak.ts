/** A key was found where it should not be: tells which one it is, and revokes it where that is wanted. */
import type { ReportLeak } from '../../schemas/commands/keys.ts';
import type { KeyEvent } from '../../schemas/events/keys.ts';
import type { LeakView } from '../../schemas/views/keys.ts';
import type { Decision } from '../decider.ts';
import type { CommandContext } from '../execute.ts';
import type { Peppers } from '../peppers.ts';
import { importedDigestOf } from './digest.ts';
import { foreignKeyId } from './foreign-key-id.ts';
import { isRevoked } from './is-revoked.ts';
import { belongs, changeKey, type KeyDeps, type KeyFacts, type KeyOutcome, notFound } from './key-command.ts';
import { parseKey } from './key-format.ts';
import type { KeySecret, KeyState } from './key-state.ts';
import { matchSecret } from './match-secret.ts';

export interface LeakCommand {
  readonly source: string | null;
  readonly revoke: boolean;
  /** That the text found is one of the key's secrets, past or present. */
  readonly matched: boolean;
}

/** The report is a fact also of a key that is revoked; the revocation only of one that is not. */
export function decideReportLeak(command: LeakCommand & KeyFacts, key: KeyState): Decision<KeyEvent> {
  // An id with a wrong secret says no more than an unknown id: whoever asks may be guessing.
  if (!belongs(command, key) || !command.matched) return notFound;
  // It is public by design: there is nothing to report, and a stranger could end a page's flags with it.
  if (key.use === 'flags-client') return { accept: [] };
  const { ownerId } = key;
  const { source } = command;
  const events: KeyEvent[] = [{ type: 'key.leak-reported', data: { ownerId, source } }];
  if (command.revoke && !isRevoked(key, command.owner)) {
    events.push({ type: 'key.revoked', data: { ownerId, reason: source, cause: 'leak' } });
  }
  return { accept: events };
}

/** The key that a text names: ours by the id inside it, a foreign one by its digest. Null: mistyped. */
export function keyIdOfText(peppers: Peppers, tenant: string, text: string): string | null {
  const parsed = parseKey(text);
  if (parsed === null) return foreignKeyId(peppers, tenant, importedDigestOf(text));
  return parsed.kind === 'plinth' ? parsed.keyId : null;
}

export type LeakOutcome =
  | (Extract<KeyOutcome, { kind: 'accepted' }> & Pick<LeakView, 'secret' | 'revoked'>)
  | Extract<KeyOutcome, { kind: 'rejected' }>;

/**
 * The text goes no further than this: neither into an event nor into an error.
 *
 * @param contextFor makes the context at the key's stream, once the text has told which
 */
export async function reportLeak(
  deps: KeyDeps,
  contextFor: (keyId: string) => CommandContext,
  tenant: string,
  input: ReportLeak,
): Promise<LeakOutcome> {
  const keyId = keyIdOfText(deps.peppers, tenant, input.key);
  if (keyId === null) return { kind: 'rejected', rejection: notFound.reject };
  const { source, revoke } = input;
  const outcome = await changeKey<LeakCommand>(deps, {
    context: contextFor(keyId),
    keyId,
    decide: decideReportLeak,
    command: (_, key) => ({
      source,
      revoke,
      matched: matchSecret(deps.peppers, key.secrets, input.key) !== null,
    }),
  });
  if (outcome.kind === 'rejected') return outcome;
  const found = matchSecret(deps.peppers, outcome.state.secrets, input.key);
  return {
    ...outcome,
    secret: standingOf(found, outcome.state, deps.clock.now()),
    revoked: isRevoked(outcome.state, outcome.owner),
  };
}

function standingOf(found: KeySecret | null, key: KeyState, nowMs: number): LeakView['secret'] {
  if (found === key.secrets.at(-1)) return 'current';
  return found?.validUntilMs !== undefined && found?.validUntilMs !== null && found.validUntilMs <= nowMs
    ? 'ended'
    : 'overlap';
}
