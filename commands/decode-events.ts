/** How bytes become events: parsed, unsealed, lifted to the current schema version, checked. */
import type { Decoded, Metadata, Recorded } from '../schemas/envelope.ts';
import { NewerSchemaVersion, UndecodableEvent, UnknownEventType } from './codec.ts';
import type { DataKeys, KeyLookup } from './data-keys.ts';
import { type EventType, faultsOf, SEALED } from './event-types.ts';
import { isSealedField, type SealedField, unsealField } from './sealed-field.ts';

export interface LostField {
  readonly event: Recorded;
  readonly field: string;
  readonly keyId: string;
}

export interface DecodeDeps {
  readonly dataKeys: DataKeys;
  /** Told of every read of a field whose key is missing although nothing erased it: count and alert. */
  readonly onLost?: (lost: LostField) => void;
}

interface Opened {
  readonly recorded: Recorded;
  readonly type: EventType;
  readonly data: Record<string, unknown>;
  readonly metadata: Metadata;
  /** Null: nothing in it is sealed. */
  readonly sealed: Readonly<Record<string, SealedField>> | null;
}

/** What a sealed field says, or what became of it. */
type Unsealed = { readonly value: unknown } | 'erased' | 'lost';
type Unseal = (opened: Opened, field: string, sealed: SealedField) => Unsealed | 'hidden';

const hideAll: Unseal = () => 'hidden';

/** Every sealed field reads as null; the key store is not asked. */
export function decodePublicEvent(types: ReadonlyMap<string, EventType>, event: Recorded): Decoded {
  return finish(openEvent(types, event), hideAll);
}

export async function decodeEvents(
  deps: DecodeDeps,
  types: ReadonlyMap<string, EventType>,
  events: readonly Recorded[],
): Promise<readonly Decoded[]> {
  const opened: Opened[] = [];
  const keyIds = new Set<string>();
  // The first faulty event is the one that is told, whatever is wrong with it and with later ones.
  let fault: unknown = null;
  for (const event of events) {
    try {
      const one = openEvent(types, event);
      opened.push(one);
      if (one.sealed) for (const field in one.sealed) keyIds.add(one.sealed[field]!.key);
    } catch (error) {
      fault = error;
      break;
    }
  }
  const keys: ReadonlyMap<string, KeyLookup> =
    keyIds.size === 0 ? new Map() : await deps.dataKeys.lookup([...keyIds]);
  const decoded = opened.map((one) =>
    finish(one, (o, field, sealed) => unseal(deps, keys, o, field, sealed)),
  );
  if (fault !== null) throw fault;
  return decoded;
}

function openEvent(types: ReadonlyMap<string, EventType>, recorded: Recorded): Opened {
  const type = types.get(recorded.type);
  if (!type) throw new UnknownEventType(recorded, 'no such event type is known');
  if (recorded.schemaVersion > type.version) {
    throw new NewerSchemaVersion(
      recorded,
      `schema version ${recorded.schemaVersion} is newer than the ${type.version} known here`,
    );
  }
  if (!Number.isInteger(recorded.schemaVersion) || recorded.schemaVersion < 1) {
    throw new UndecodableEvent(recorded, `schema version ${recorded.schemaVersion} is none`);
  }
  const data = parseObject(recorded, recorded.data, 'data');
  const metadata = parseObject(recorded, recorded.metadata, 'metadata');
  if (!isMetadata(metadata))
    throw new UndecodableEvent(recorded, 'metadata does not have the shape of metadata');
  const sealed = data[SEALED];
  if (sealed === undefined) return { recorded, type, data, metadata, sealed: null };
  if (typeof sealed !== 'object' || sealed === null || !Object.values(sealed).every(isSealedField)) {
    throw new UndecodableEvent(recorded, `${SEALED} does not hold sealed fields`);
  }
  delete data[SEALED];
  return { recorded, type, data, metadata, sealed: sealed as Record<string, SealedField> };
}

/** JSON.parse's own error quotes what it read, so it is not passed on. */
function parseObject(event: Recorded, bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(textOf(bytes));
  } catch {
    throw new UndecodableEvent(event, `${what} is not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UndecodableEvent(event, `${what} is not a JSON object`);
  }
  return value as Record<string, unknown>;
}

function textOf(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString('utf8');
}

/** `metadataSchema` by hand: the house alone writes metadata, and every event of a rebuild passes here. */
function isMetadata(value: Record<string, unknown>): value is Metadata {
  return (
    typeof value.tenant === 'string' &&
    typeof value.actor === 'string' &&
    typeof value.commandId === 'string' &&
    typeof value.correlationId === 'string' &&
    isStringOrNull(value.requestDigest) &&
    isStringOrNull(value.causationId) &&
    isStringOrNull(value.traceparent)
  );
}

function isStringOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string';
}

function unseal(
  deps: DecodeDeps,
  keys: ReadonlyMap<string, KeyLookup>,
  { recorded }: Opened,
  field: string,
  sealed: SealedField,
): Unsealed {
  const found = keys.get(sealed.key) ?? 'missing';
  if (found === 'missing' || 'erasedAt' in found) {
    if (found !== 'missing' && found.erasedAt > recorded.position) return 'erased';
    deps.onLost?.({ event: recorded, field, keyId: sealed.key });
    return 'lost';
  }
  const place = { eventId: recorded.id, type: recorded.type, field };
  const json = unsealField(place, found.key, sealed);
  if (json === null) throw new UndecodableEvent(recorded, `${field} does not open under its data key`);
  try {
    return { value: JSON.parse(json) };
  } catch {
    throw new UndecodableEvent(recorded, `${field} is not JSON`);
  }
}

const NONE: readonly string[] = [];

function finish(opened: Opened, unsealOne: Unseal): Decoded {
  const { recorded, type, data, sealed } = opened;
  let erased = NONE;
  let lost = NONE;
  if (sealed) {
    for (const field in sealed) {
      const unsealed = unsealOne(opened, field, sealed[field]!);
      data[field] = typeof unsealed === 'object' ? unsealed.value : null;
      if (unsealed === 'erased') erased = [...erased, field];
      if (unsealed === 'lost') lost = [...lost, field];
    }
  }
  const parsed = schemaFor(opened).safeParse(upcast(recorded, type, data));
  if (!parsed.success) throw new UndecodableEvent(recorded, faultsOf(parsed.error));
  return {
    id: recorded.id,
    type: recorded.type,
    data: parsed.data,
    stream: recorded.stream,
    version: recorded.version,
    position: recorded.position,
    timeMs: recorded.timeMs,
    metadata: opened.metadata,
    erased,
    lost,
  };
}

/**
 * What is sealed was checked before it was, against this very version, and its tag proves that nothing has
 * changed since: checking it again would find nothing and cost a tenth of the decoding. All else is
 * checked, and so is what was lifted from another version.
 */
function schemaFor({ recorded, type, sealed }: Opened): EventType['schema'] {
  if (recorded.schemaVersion !== type.version || !sealed) return type.schema;
  for (const { name } of type.personal) if (!Object.hasOwn(sealed, name)) return type.schema;
  return type.unsealedSchema;
}

function upcast(recorded: Recorded, type: EventType, data: Record<string, unknown>): Record<string, unknown> {
  let lifted = data;
  for (let version = recorded.schemaVersion; version < type.version; version++) {
    try {
      lifted = type.upcasters[version - 1]!(lifted);
    } catch {
      throw new UndecodableEvent(recorded, `it cannot be lifted from version ${version} to ${version + 1}`);
    }
  }
  return lifted;
}
