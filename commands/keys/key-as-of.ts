/** What a key was: its own, its owner's and its tenant's streams folded from the log, by the same rules. */
import type { DecodedEvent, Position, Recorded, StreamId } from '../../schemas/envelope.ts';
import type { VerifyCode } from '../../schemas/verify-codes.ts';
import type { VerdictCheck } from '../../schemas/views/keys.ts';
import type { Evolve, Fact } from '../decider.ts';
import { decodeStream, ownEvents, type StreamDecoder } from '../decode-stream.ts';
import type { EventLog } from '../event-log.ts';
import { keyStream, ownerStream, tenantStream } from '../streams.ts';
import { evolveTenant, noTenant, type TenantState } from '../tenants/tenant-state.ts';
import { explainVerdict } from './explain-verdict.ts';
import { evolveKey, type KeyState, noKey } from './key-state.ts';
import { evolveOwner, noOwner, type OwnerState } from './owner-state.ts';
import type { VerdictRequest } from './verdict.ts';

export interface AsOfDeps {
  readonly log: Pick<EventLog, 'readStream'>;
  readonly codec: StreamDecoder;
}

/**
 * Through a position: each stream through it. At a time: each stream through its own last event of then,
 * for time goes forward within a stream only.
 */
export type Moment = { readonly position: Position } | { readonly timeMs: number };

export interface KeyAsOf {
  readonly key: KeyState;
  readonly owner: OwnerState;
  readonly tenant: TenantState;
  /** When rules of time are judged: the time asked for, or that of the last event folded. */
  readonly atMs: number;
  /** Of the last event folded. */
  readonly position: Position;
}

/** Null: the tenant had no such key then. */
export async function keyAsOf(
  deps: AsOfDeps,
  tenant: string,
  keyId: string,
  moment: Moment,
): Promise<KeyAsOf | null> {
  const key = await foldThrough(deps, evolveKey, noKey, keyStream(keyId), moment, tenant);
  if (key.state.version === 0 || key.state.tenant !== tenant) return null;
  const { ownerId } = key.state;
  const [owner, house] = await Promise.all([
    ownerId === null ? null : foldThrough(deps, evolveOwner, noOwner, ownerStream(tenant, ownerId), moment),
    foldThrough(deps, evolveTenant, noTenant, tenantStream(tenant), moment),
  ]);
  const last = [key, owner, house]
    .map((part) => part?.last)
    .filter((event) => event !== undefined)
    .reduce((a, b) => (b.position > a.position ? b : a));
  return {
    key: key.state,
    owner: owner?.state ?? noOwner,
    tenant: house.state,
    atMs: 'timeMs' in moment ? moment.timeMs : last.timeMs,
    position: last.position,
  };
}

export interface PastVerdict {
  readonly code: VerifyCode;
  readonly checks: readonly VerdictCheck[];
  readonly atMs: number;
  /** Null: nothing was folded, for there was no such key. */
  readonly position: Position | null;
}

/** What a verify of this key would have answered then, and why. No secret is looked at, nor any limit. */
export async function explainAsOf(
  deps: AsOfDeps,
  tenant: string,
  keyId: string,
  moment: Moment,
  request: VerdictRequest,
): Promise<PastVerdict | null> {
  const then = await keyAsOf(deps, tenant, keyId, moment);
  // A management key is never verified: as a verify of today would, this finds no such key.
  if (then === null || then.key.use !== 'api') return null;
  const { key, owner, atMs, position } = then;
  // Whether a stream was parked is a fact of a read model's, not of the log's: this reads the log itself.
  const facts = { key, owner, suspended: then.tenant.suspended, parked: false };
  return { ...explainVerdict(facts, request, atMs), atMs, position };
}

/** Events of the stream up to the moment. */
export async function eventsThrough(
  deps: AsOfDeps,
  stream: StreamId,
  moment: Moment,
  tenant?: string,
): Promise<readonly DecodedEvent[]> {
  const recorded = await deps.log.readStream(stream);
  const all = tenant === undefined ? recorded : ownEvents(recorded, tenant);
  const isAfter = (event: Recorded) =>
    'position' in moment ? event.position > moment.position : event.timeMs > moment.timeMs;
  const end = all.findIndex(isAfter);
  return decodeStream(deps.codec, end < 0 ? all : all.slice(0, end), all);
}

/** The stream's state at the moment, and the last event that made it. */
export async function foldThrough<S, E>(
  deps: AsOfDeps,
  evolve: Evolve<S, E>,
  initial: S,
  stream: StreamId,
  moment: Moment,
  tenant?: string,
): Promise<{ readonly state: S; readonly last: DecodedEvent | undefined }> {
  const events = await eventsThrough(deps, stream, moment, tenant);
  return {
    state: events.reduce((state, event) => evolve(state, event as unknown as Fact<E>), initial),
    last: events.at(-1),
  };
}
