/** What the codec knows of each event type, worked out once from the catalogue. */
import type { EventDefinition, Upcaster } from '../schemas/events/definition.ts';
import { personalFields, unchecked } from '../schemas/personal.ts';

type Schema = EventDefinition['schema'];
type Field = Parameters<typeof personalFields.has>[0];

export interface EventType {
  readonly version: number;
  readonly schema: Schema;
  /** The same, with any value in a personal field: for what was checked before it was sealed. */
  readonly unsealedSchema: Schema;
  readonly upcasters: readonly Upcaster[];
  readonly personal: readonly PersonalFieldOf[];
}

export interface PersonalFieldOf {
  readonly name: string;
  /** Field that holds the subject's id; null: the tenant's key. */
  readonly subjectField: string | null;
}

/** Member of an event's data that holds the sealed fields by name. No schema may have a field of this name. */
export const SEALED = '$personal';

const FIELD_NAME = /^[A-Za-z][A-Za-z0-9_]*$/;

/** Throws where a catalogue asks for what the codec cannot keep. */
export function compileEventTypes(
  catalogue: ReadonlyMap<string, EventDefinition>,
): ReadonlyMap<string, EventType> {
  return new Map([...catalogue].map(([type, definition]) => [type, compile(type, definition)]));
}

function compile(type: string, { version, schema, upcasters }: EventDefinition): EventType {
  const personal: PersonalFieldOf[] = [];
  for (const [name, field] of Object.entries(schema.shape as Record<string, Field>)) {
    if (name === SEALED) throw new Error(`${type}: a field may not be named ${SEALED}`);
    const mark = personalFields.get(field);
    if (mark === undefined) {
      if (holdsPersonal(field, new Set())) {
        throw new Error(
          `${type}: ${name} holds a personal field inside; only a top-level field can be personal`,
        );
      }
      continue;
    }
    if (!FIELD_NAME.test(name)) throw new Error(`${type}: ${name} is no name for a personal field`);
    if (mark.subjectField !== null) {
      const subject = (schema.shape as Record<string, Field>)[mark.subjectField];
      if (!subject)
        throw new Error(`${type}: ${name} names ${mark.subjectField} as its subject, which is not there`);
      if (personalFields.get(subject)) throw new Error(`${type}: the subject of ${name} is itself personal`);
    }
    personal.push({ name, subjectField: mark.subjectField });
  }
  const unsealedSchema = unchecked(
    schema,
    personal.map(({ name }) => name),
  );
  return { version, schema, unsealedSchema, upcasters, personal };
}

/** Walks whatever a schema's definition refers to; a recursive schema is visited once. */
function holdsPersonal(node: unknown, seen: Set<unknown>): boolean {
  if (typeof node !== 'object' || node === null || seen.has(node)) return false;
  seen.add(node);
  const def = (node as { _zod?: { def?: Record<string, unknown> } })._zod?.def;
  if (def) {
    if (personalFields.get(node as Field)) return true;
    const inner = def.type === 'lazy' ? [(def.getter as () => unknown)()] : Object.values(def);
    return inner.some((part) => holdsPersonal(part, seen));
  }
  if (Array.isArray(node)) return node.some((part) => holdsPersonal(part, seen));
  if (Object.getPrototypeOf(node) !== Object.prototype) return false;
  return Object.values(node).some((part) => holdsPersonal(part, seen));
}

/** Top-level fields and zod's codes alone: a deeper path or a message could quote what a person wrote. */
export function faultsOf(error: NonNullable<ReturnType<Schema['safeParse']>['error']>): string {
  const faults = error.issues.map((issue) => `${String(issue.path[0] ?? 'data')} (${issue.code})`);
  return `does not fit its schema: ${[...new Set(faults)].join(', ')}`;
}
