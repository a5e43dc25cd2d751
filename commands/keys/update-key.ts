/** Changes what a key says about itself: one append, one event a changed field, none when all is equal. */
import { isDeepStrictEqual } from 'node:util';
import type { UpdateKey } from '../../schemas/commands/keys.ts';
import type { KeyEvent } from '../../schemas/events/keys.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext } from '../execute.ts';
import { ungrantable } from './grantable.ts';
import { timeFaults, useFaults } from './issue-key.ts';
import {
  beyondCaller,
  changeKey,
  type Grantor,
  type KeyDeps,
  type KeyFacts,
  type KeyOutcome,
  refusal,
} from './key-command.ts';
import type { KeyState } from './key-state.ts';

type Command = UpdateKey & { readonly grantor: Grantor };

export function decideUpdate(command: Command & KeyFacts, key: KeyState): Decision<KeyEvent> {
  const refused = refusal(command, key) ?? beyondCaller(key, command.grantor);
  if (refused) return refused;
  const events = changes(command, key);
  const changed = new Set(events.map((event) => event.type));
  const errors = useFaults({ ...command, use: key.use });
  if (changed.has('key.expiry-changed') || changed.has('key.not-before-changed')) {
    const expiresAt = command.expiresAt === undefined ? iso(key.expiresAtMs) : command.expiresAt;
    const notBefore = command.notBefore === undefined ? iso(key.notBeforeMs) : command.notBefore;
    // A key that has expired may be given a new beginning only together with a new end.
    errors.push(...timeFaults(notBefore, expiresAt, command.nowMs));
  }
  if (errors.length > 0) return reject({ code: 'invalid_request', detail: errors[0]!.message, errors });
  if (changed.has('key.permissions-changed')) {
    const escalation = ungrantable(command.grantor.permissions, command.permissions!, key.tenant);
    if (escalation) return reject(escalation);
  }
  return { accept: events };
}

function changes(to: UpdateKey, key: KeyState): KeyEvent[] {
  const { ownerId } = key;
  const { name, metadata, scopes, permissions, limits, expiresAt, notBefore, allowedIps } = to;
  const events: KeyEvent[] = [];
  if (differs(name, key.name)) events.push({ type: 'key.renamed', data: { ownerId, name: name! } });
  if (differs(metadata, key.metadata)) {
    events.push({ type: 'key.metadata-changed', data: { ownerId, metadata: metadata! } });
  }
  if (differs(scopes, key.scopes)) events.push({ type: 'key.scopes-changed', data: { scopes: scopes! } });
  if (differs(permissions, key.permissions)) {
    events.push({ type: 'key.permissions-changed', data: { permissions: permissions! } });
  }
  if (differs(limits, key.limits)) events.push({ type: 'key.limits-changed', data: { limits: limits! } });
  if (differs(toMs(expiresAt), key.expiresAtMs)) {
    events.push({ type: 'key.expiry-changed', data: { expiresAt: expiresAt! } });
  }
  if (differs(toMs(notBefore), key.notBeforeMs)) {
    events.push({ type: 'key.not-before-changed', data: { notBefore: notBefore! } });
  }
  if (differs(allowedIps, key.allowedIps)) {
    events.push({ type: 'key.allowed-ips-changed', data: { allowedIps: allowedIps! } });
  }
  return events;
}

/** What was left out does not differ. */
function differs(wanted: unknown, is: unknown): boolean {
  return wanted !== undefined && !isDeepStrictEqual(wanted, is);
}

function toMs(instant: string | null | undefined): number | null | undefined {
  return typeof instant === 'string' ? Date.parse(instant) : instant;
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** `context`: at the key's stream. */
export function updateKey(
  deps: KeyDeps,
  context: CommandContext,
  grantor: Grantor,
  input: UpdateKey & { readonly keyId: string; readonly ifVersion?: number },
): Promise<KeyOutcome> {
  const { keyId, ifVersion, ...fields } = input;
  const command = () => ({ ...fields, grantor });
  return changeKey(deps, { context, keyId, ifVersion, decide: decideUpdate, command });
}
