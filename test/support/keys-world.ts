/** Key commands over a log in memory, for scenarios: callers, secrets and a clock that a test moves. */
import { createHash } from 'node:crypto';
import { type CommandContext, fold } from '../../commands/execute.ts';
import { commandIdOf, tenantIdOf, uuidv5 } from '../../commands/ids.ts';
import { creditLeases } from '../../commands/keys/credit-leases.ts';
import { issueKey } from '../../commands/keys/issue-key.ts';
import { type Grantor, type KeyDeps, ownerOf } from '../../commands/keys/key-command.ts';
import { evolveKey, type KeyState, noKey } from '../../commands/keys/key-state.ts';
import type { Peppers } from '../../commands/peppers.ts';
import { KEYS_COLLECTION, keyStream } from '../../commands/streams.ts';
import { createTenant } from '../../commands/tenants/create-tenant.ts';
import { type IssueKey, issueKeySchema } from '../../schemas/commands/keys.ts';
import type { CommandId, TenantId } from '../../schemas/envelope.ts';
import type { KeyEvent } from '../../schemas/events/keys.ts';
import { Secret } from '../../schemas/secret.ts';
import { memoryEventLog } from '../engines/memory-event-log.ts';
import { decodePlain, plainCodec } from '../simulation/plain-codec.ts';
import { fakeClock } from './fake-clock.ts';

export const everything: Grantor = { permissions: ['*:*'] };

/** A keyring of `current` peppers, 1 to `current`. */
export function peppersUpTo(current: number): Peppers {
  const versions = Array.from({ length: current }, (_, i) => i + 1);
  const secrets = versions.map((version) => new Secret<Uint8Array>(new Uint8Array(32).fill(version)));
  return { current, versions, pepper: (version) => secrets[version - 1] };
}

/** Random bytes that differ each time and repeat from run to run. */
export function countingRandom() {
  let drawn = 0;
  return {
    bytes(length: number): Uint8Array {
      drawn++;
      const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
        createHash('sha256').update(`${drawn} ${i}`).digest(),
      );
      return new Uint8Array(Buffer.concat(blocks).subarray(0, length));
    },
  };
}

export async function keysWorld(options: { readonly turn?: (label: string) => Promise<void> } = {}) {
  const clock = fakeClock();
  const log = memoryEventLog({ clock, turn: options.turn });
  const deps: KeyDeps & { peppers: Peppers } = {
    log,
    codec: plainCodec,
    clock,
    random: countingRandom(),
    peppers: peppersUpTo(1),
  };
  const tenant = tenantIdOf('acme');
  let serial = 0;

  /** The context of a command; the same `key` at the same target is the same command. */
  function context(target: string, key?: string, more: Partial<CommandContext> = {}): CommandContext {
    const commandId =
      key === undefined
        ? (uuidv5('test', String(++serial)) as CommandId)
        : commandIdOf(tenant, 'key_caller000000', 'test', target, key);
    return {
      commandId,
      tenant,
      actor: 'key_caller000000',
      requestDigest: null,
      correlationId: 'test',
      causationId: null,
      traceparent: null,
      ...more,
    };
  }

  await createTenant(deps, context('tenants/acme'), { slug: 'acme', name: 'Acme' });
  await createTenant(deps, context('tenants/default'), { slug: 'default', name: null });

  return {
    clock,
    log,
    deps,
    tenant,
    context,
    at: (keyId: string, key?: string) => context(keyStream(keyId), key),
    leases: creditLeases(deps, 'writer-1'),
    /** Issues a key and answers its state and secret; fails when it was refused. */
    async issue(input: Partial<IssueKey> = {}, inTenant: TenantId = tenant) {
      const full = issueKeySchema.parse(input);
      const outcome = await issueKey(
        deps,
        { ...context(KEYS_COLLECTION), tenant: inTenant },
        everything,
        full,
      );
      if (outcome.kind === 'rejected') throw new Error(outcome.rejection.detail);
      return { key: outcome.state, keyId: outcome.state.keyId, text: outcome.secret!.reveal(), outcome };
    },
    async state(keyId: string): Promise<KeyState> {
      const folded = await fold<KeyState, KeyEvent>(
        deps,
        { initial: noKey, evolve: evolveKey },
        keyStream(keyId),
      );
      return folded.state;
    },
    owner: (ownerId: string) => ownerOf(deps, tenant, ownerId),
    /** Types of the events of a key's stream. */
    types: (keyId: string) => log.events.filter((e) => e.stream === keyStream(keyId)).map((e) => e.type),
    /** Everything in the log as text: to look for what must not be there. */
    text: () => JSON.stringify(log.events.map(decodePlain)),
  };
}
