/** How bytes become events: parsed, unsealed, lifted to the current schema version, checked. */
import type { Decoded, DecodedEvent, Metadata, PublicDecoded, Recorded } from '../schemas/envelope.ts';
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

/** `Sealed`: what the sealed fields are taken for, by name. */
interface Parsed<Sealed> {
  readonly recorded: Recorded;
  readonly type: EventType;
  readonly data: Record<string, unknown>;
  readonly metadata: Metadata;
  /** Null: nothing in it is sealed. */
  readonly sealed: Readonly<Record<string, Sealed>> | null;
}

/** What a sealed field says, or what became of it. */
type Unsealed = { readonly value: unknown } | 'erased' | 'lost';

/** Of the sealed fields it takes the names alone: one that is damaged reads as null like any other. */
export function decodePublicEvent(types: ReadonlyMap<string, EventType>, event: Recorded): PublicDecoded {
  const parsed = parseEvent(types, event);
  if (parsed.sealed) for (const field in parsed.sealed) parsed.data[field] = null;
  const decoded = finish(parsed, null, null);
  // What was written before a field was personal has it in the clear.
  for (const { name } of parsed.type.personal) (decoded.data as Record<string, unknown>)[name] = null;
  return decoded;
}

export async function decodeEvents(
  deps: DecodeDeps,
  types: ReadonlyMap<string, EventType>,
  events: readonly Recorded[],
): Promise<readonly Decoded[]> {
  const parsed: Parsed<SealedField>[] = [];
  const keyIds = new Set<string>();
  // The first faulty event is the one that is told, whatever is wrong with it and with later ones.
  let fault: unknown = null;
  for (const event of events) {
    try {
      const one = withSealedFields(parseEvent(types, event));
      parsed.push(one);
      if (one.sealed) for (const field in one.sealed) keyIds.add(one.sealed[field]!.key);
    } catch (error) {
      fault = error;
      break;
    }
  }
  const keys: ReadonlyMap<string, KeyLookup> =
    keyIds.size === 0 ? new Map() : await deps.dataKeys.lookup([...keyIds]);
  const decoded = parsed.map((one) => open(deps, keys, one));
  if (fault !== null) throw fault;
  return decoded;
}

function parseEvent(types: ReadonlyMap<string, EventType>, recorded: Recorded): Parsed<unknown> {
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
  if (typeof sealed !== 'object' || sealed === null) throw noSealedFields(recorded);
  delete data[SEALED];
  return { recorded, type, data, metadata, sealed: sealed as Record<string, unknown> };
}

function withSealedFields(parsed: Parsed<unknown>): Parsed<SealedField> {
  const { sealed, recorded } = parsed;
  if (sealed && !Object.values(sealed).every(isSealedField)) throw noSealedFields(recorded);
  return parsed as Parsed<SealedField>;
}

function noSealedFields(event: Recorded): UndecodableEvent {
  return new UndecodableEvent(event, `${SEALED} does not hold sealed fields`);
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
  { recorded }: Parsed<SealedField>,
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

function open(deps: DecodeDeps, keys: ReadonlyMap<string, KeyLookup>, parsed: Parsed<SealedField>): Decoded {
  const { data, sealed } = parsed;
  let erased = NONE;
  let lost = NONE;
  if (sealed) {
    for (const field in sealed) {
      const unsealed = unseal(deps, keys, parsed, field, sealed[field]!);
      data[field] = typeof unsealed === 'object' ? unsealed.value : null;
      if (unsealed === 'erased') erased = [...erased, field];
      if (unsealed === 'lost') lost = [...lost, field];
    }
  }
  return finish(parsed, erased, lost);
}

/** Lifts and checks what was parsed, its sealed fields replaced by then. */
function finish<Gone>(
  parsed: Parsed<unknown>,
  erased: Gone,
  lost: Gone,
): DecodedEvent & { readonly erased: Gone; readonly lost: Gone } {
  const { recorded, type, data } = parsed;
  const checked = schemaFor(parsed).safeParse(upcast(recorded, type, data));
  if (!checked.success) throw new UndecodableEvent(recorded, faultsOf(checked.error));
  return {
    id: recorded.id,
    type: recorded.type,
    data: checked.data,
    stream: recorded.stream,
    version: recorded.version,
    position: recorded.position,
    timeMs: recorded.timeMs,
    metadata: parsed.metadata,
    erased,
    lost,
  };
}

/**
 * What is sealed was checked before it was, against this very version, and its tag proves that nothing has
 * changed since: checking it again would find nothing and cost a tenth of the decoding. Unopened it is null,
 * which every personal field may be. All else is checked, and so is what was lifted from another version.
 */
function schemaFor({ recorded, type, sealed }: Parsed<unknown>): EventType['schema'] {
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
