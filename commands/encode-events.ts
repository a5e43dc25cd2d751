/** How events become bytes: checked, sealed under the active data keys of their subjects, serialised once. */
import type { NewEvent, TenantId } from '../schemas/envelope.ts';
import type { Clock, Random } from './clock.ts';
import type { EventToEncode } from './codec.ts';
import type { DataKey, DataKeys } from './data-keys.ts';
import { type EventType, faultsOf, SEALED } from './event-types.ts';
import { SEAL_RANDOM_BYTES, type SealedField, sealField } from './sealed-field.ts';

export interface EncodeDeps {
  readonly dataKeys: DataKeys;
  readonly clock: Clock;
  readonly random: Random;
}

/** The data does not fit the schema of its type: a fault of the decider. Names fields, never values. */
export class InvalidEvent extends Error {
  override readonly name = 'InvalidEvent';
}

interface Checked {
  readonly event: EventToEncode;
  readonly type: EventType;
  readonly data: Record<string, unknown>;
}

type Subjects = Map<string, { readonly tenant: TenantId; readonly subject: string | null }>;

/** Rounds of asking for active keys before it gives up: each ends only when a key outlived its hold. */
const MAX_KEY_ROUNDS = 3;

export async function encodeEvents(
  deps: EncodeDeps,
  types: ReadonlyMap<string, EventType>,
  events: readonly EventToEncode[],
): Promise<readonly NewEvent[]> {
  const checked = events.map((event) => check(types, event));
  const subjects: Subjects = new Map();
  for (const { event, type, data } of checked) {
    for (const field of type.personal) {
      if (data[field.name] === null) continue;
      const subject = subjectOf(data, field.subjectField);
      subjects.set(subjectKey(event.metadata.tenant, subject), {
        tenant: event.metadata.tenant as TenantId,
        subject,
      });
    }
  }
  const keys = await activeKeys(deps, subjects);
  // From here to the end nothing waits: a key is not used past the moment it was checked.
  return checked.map((one) => write(deps, one, keys));
}

function check(types: ReadonlyMap<string, EventType>, event: EventToEncode): Checked {
  const type = types.get(event.type);
  if (!type) throw new InvalidEvent(`${event.type}: no such event type`);
  const parsed = type.schema.safeParse(event.data);
  if (!parsed.success) throw new InvalidEvent(`${event.type}: ${faultsOf(parsed.error)}`);
  return { event, type, data: parsed.data };
}

async function activeKeys(deps: EncodeDeps, subjects: Subjects): Promise<ReadonlyMap<string, DataKey>> {
  if (subjects.size === 0) return new Map();
  for (let round = 0; round < MAX_KEY_ROUNDS; round++) {
    const asked = [...subjects.values()].map(({ tenant, subject }) => deps.dataKeys.active(tenant, subject));
    // Nearly all events have one subject.
    const keys = asked.length === 1 ? [await asked[0]!] : await Promise.all(asked);
    // While one key was being fetched, another may have outlived its hold: an erasure no longer waits for it.
    const now = deps.clock.now();
    if (keys.every((key) => now <= key.usableUntilMs)) {
      return new Map([...subjects.keys()].map((id, index) => [id, keys[index]!]));
    }
  }
  throw new Error(`the key store took too long: active data keys were too old ${MAX_KEY_ROUNDS} times`);
}

function write(
  deps: EncodeDeps,
  { event, type, data }: Checked,
  keys: ReadonlyMap<string, DataKey>,
): NewEvent {
  let sealed: Record<string, SealedField> | undefined;
  // A copied object keeps its shape, and JSON leaves out what is undefined.
  const open: Record<string, unknown> = { ...data, [SEALED]: undefined };
  for (const { name, subjectField } of type.personal) {
    if (data[name] === null) continue;
    const key = keys.get(subjectKey(event.metadata.tenant, subjectOf(data, subjectField)))!;
    const place = { eventId: event.id, type: event.type, field: name };
    const plaintext = JSON.stringify(data[name]);
    sealed ??= {};
    sealed[name] = sealField(place, key.keyId, key.key, plaintext, deps.random.bytes(SEAL_RANDOM_BYTES));
    open[name] = undefined;
  }
  // Last on purpose: V8 deletes the property added last without giving up the object's shape (see parseEvent).
  open[SEALED] = sealed;
  return {
    id: event.id,
    type: event.type,
    schemaVersion: type.version,
    timeMs: event.timeMs,
    nonce: event.nonce,
    data: Buffer.from(JSON.stringify(open)),
    metadata: Buffer.from(JSON.stringify(event.metadata)),
  };
}

function subjectOf(data: Record<string, unknown>, subjectField: string | null): string | null {
  const subject = subjectField === null ? null : (data[subjectField] ?? null);
  if (subject !== null && typeof subject !== 'string')
    throw new InvalidEvent(`${subjectField} is not a string`);
  return subject;
}

function subjectKey(tenant: string, subject: string | null): string {
  return subject === null ? tenant : `${tenant}\u0000${subject}`;
}
