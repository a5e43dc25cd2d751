/** Issues a key, in our own format or by an imported digest. */
import type { IssueKey } from '../../schemas/commands/keys.ts';
import type { FieldFault } from '../../schemas/errors.ts';
import type { KeyEvent, SecretDigest } from '../../schemas/events/keys.ts';
import type { TenantEvent } from '../../schemas/events/tenants.ts';
import type { Secret } from '../../schemas/secret.ts';
import type { KeyEnvironment } from '../../schemas/values.ts';
import { type Decision, reject } from '../decider.ts';
import type { EventLog } from '../event-log.ts';
import { type CommandContext, execute, fold } from '../execute.ts';
import { keyIdOf } from '../ids.ts';
import { environmentStream, keyStream, tenantStream } from '../streams.ts';
import { evolveTenant, noTenant, type TenantState } from '../tenants/tenant-state.ts';
import { ungrantable } from './grantable.ts';
import { type Grantor, type KeyDeps, type KeyOutcome, ownerOf, withOwner } from './key-command.ts';
import { evolveKey, type KeyState, noKey } from './key-state.ts';
import { type NewSecret, newSecret } from './new-secret.ts';
import type { OwnerState } from './owner-state.ts';

export interface IssueCommand extends IssueKey {
  readonly keyId: string;
  readonly format: 'plinth' | 'foreign';
  readonly secret: SecretDigest;
  readonly nowMs: number;
  readonly tenant: string;
  readonly tenantState: Pick<TenantState, 'version' | 'suspended'>;
  /** The owner's version that this relies on: a revoke-all after it takes the key along. */
  readonly ownerVersion: number;
  readonly grantor: Grantor;
  /** Whether the environment that it names is there. */
  readonly environmentExists: boolean;
}

export function decideIssue(command: IssueCommand, key: KeyState): Decision<KeyEvent> {
  const { tenantState, tenant, grantor, nowMs, environmentExists, ...fields } = command;
  if (key.version > 0) {
    // Only an imported digest comes here: its id is made from it. Another tenant's id never is.
    return reject({
      code: 'already_exists',
      detail: 'This digest was imported before.',
      extra: { keyId: key.keyId },
    });
  }
  if (tenantState.version === 0) return reject({ code: 'not_found', detail: 'There is no such tenant.' });
  if (tenantState.suspended)
    return reject({ code: 'tenant_suspended', detail: 'The tenant issues no keys.' });
  const errors = [
    ...useFaults(fields),
    ...environmentFaults(fields, environmentExists),
    ...timeFaults(fields.notBefore, fields.expiresAt, nowMs),
  ];
  if (errors.length > 0) return reject({ code: 'invalid_request', detail: errors[0]!.message, errors });
  const escalation = ungrantable(grantor.permissions, fields.permissions, tenant);
  if (escalation) return reject(escalation);
  return { accept: [{ type: 'key.issued', data: fields }] };
}

/**
 * Management keys call Plinth and are never verified; keys of use `api` are verified and call nothing here;
 * flags keys read flags.
 */
export function useFaults(
  fields: Pick<IssueKey, 'use'> & Partial<Pick<IssueKey, 'permissions' | 'scopes' | 'limits' | 'credits'>>,
): FieldFault[] {
  if (fields.use === 'api') {
    const message = 'Only a management key carries permissions; scopes are what a key of use "api" carries.';
    return fields.permissions?.length ? [{ field: 'permissions', message }] : [];
  }
  const isOfFlags = fields.use !== 'management';
  const message = isOfFlags
    ? 'A flags key reads flags: it carries nothing else.'
    : 'A management key is never verified: it carries permissions only.';
  const empty = {
    scopes: !fields.scopes?.length,
    limits: !fields.limits?.length,
    credits: !fields.credits,
    permissions: !isOfFlags || !fields.permissions?.length,
  };
  return Object.entries(empty).flatMap(([field, ok]) => (ok ? [] : [{ field, message }]));
}

function environmentFaults(
  { use, environment }: Pick<IssueKey, 'use' | 'environment'>,
  exists: boolean,
): FieldFault[] {
  const field = 'environment';
  if (use !== 'flags-server' && use !== 'flags-client') {
    return environment === null ? [] : [{ field, message: 'Only a flags key is bound to an environment.' }];
  }
  if (environment === null) {
    return [{ field, message: 'A flags key is bound to an environment: name its project and key.' }];
  }
  return exists ? [] : [{ field, message: 'There is no such environment.' }];
}

export function timeFaults(
  notBefore: string | null | undefined,
  expiresAt: string | null | undefined,
  nowMs: number,
): FieldFault[] {
  if (expiresAt === null || expiresAt === undefined) return [];
  if (Date.parse(expiresAt) <= nowMs) {
    return [{ field: 'expiresAt', message: 'It lies in the past; to end a key now, revoke it.' }];
  }
  if (notBefore && Date.parse(notBefore) >= Date.parse(expiresAt)) {
    return [{ field: 'notBefore', message: 'It must lie before `expiresAt`.' }];
  }
  return [];
}

/** Accepted with the secret the first time, and without it when the command had been handled before. */
export type IssueOutcome =
  | (Extract<KeyOutcome, { kind: 'accepted' }> & { readonly secret: Secret<string> | null })
  | Extract<KeyOutcome, { kind: 'rejected' }>;

/** `context`: at `KEYS_COLLECTION`, in the tenant that the key shall belong to. */
export async function issueKey(
  deps: KeyDeps,
  context: CommandContext,
  grantor: Grantor,
  input: IssueKey,
): Promise<IssueOutcome> {
  const keyId = keyIdOf(context.commandId);
  let secret: NewSecret | null = null;
  const outcome = await appendIssue(
    deps,
    context,
    keyId,
    (facts) => {
      secret = newSecret(deps, input.mode, keyId);
      return { ...input, ...facts, keyId, format: 'plinth', secret: secret.digest, grantor };
    },
    input,
  );
  return withSecret(outcome, secret);
}

/** A secret that is in no event of the outcome verifies nowhere, and must not be shown. */
export function withSecret(outcome: KeyOutcome, secret: NewSecret | null): IssueOutcome {
  if (outcome.kind === 'rejected') return outcome;
  return { ...outcome, secret: outcome.replayed || outcome.position === null ? null : secret!.text };
}

/** What an issue relies on besides its own stream. */
type IssueFacts = Pick<
  IssueCommand,
  'nowMs' | 'tenant' | 'tenantState' | 'ownerVersion' | 'environmentExists'
>;

/** The owner and the environment that a key is issued for. */
type IssuedFor = Pick<IssueKey, 'ownerId' | 'environment'>;

export async function appendIssue(
  deps: KeyDeps,
  context: CommandContext,
  keyId: string,
  command: (facts: IssueFacts) => IssueCommand,
  { ownerId, environment }: IssuedFor,
): Promise<KeyOutcome> {
  const folded: { owner?: OwnerState } = {};
  const outcome = await execute<KeyState, IssueCommand, KeyEvent>(deps, {
    decider: { initial: noKey, evolve: evolveKey, decide: decideIssue },
    stream: keyStream(keyId),
    context,
    creates: true,
    async command({ nowMs }) {
      const { tenant } = context;
      const [tenantState, owner, environmentExists] = await Promise.all([
        fold<TenantState, TenantEvent>(
          deps,
          { initial: noTenant, evolve: evolveTenant },
          tenantStream(tenant),
        ),
        ownerOf(deps, tenant, ownerId),
        environment !== null && isThere(deps.log, tenant, environment),
      ]);
      folded.owner = owner;
      return command({
        ...{ nowMs, tenant, environmentExists },
        tenantState: tenantState.state,
        ownerVersion: owner.version,
      });
    },
  });
  return withOwner(deps, outcome, folded.owner);
}

/** An environment is never removed, and its stream's id is made of the tenant's. */
async function isThere(
  log: Pick<EventLog, 'readStream'>,
  tenant: string,
  { project, environment }: KeyEnvironment,
): Promise<boolean> {
  const stream = environmentStream(tenant, project, environment);
  return (await log.readStream(stream, { through: 1 })).length > 0;
}
