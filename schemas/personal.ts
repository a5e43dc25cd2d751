/**
 * Marks a field of an event as personal: the codec stores it as ciphertext.
 *
 * Which data key encrypts it is named by the schema: the subject whose id stands in the sibling field
 * `subject` of the event's data or, where that is null or not named, the tenant.
 */
import { z } from 'zod';

export interface PersonalField {
  /** Top-level field of the event's data that holds the subject's id; null: the tenant's key. */
  readonly subjectField: string | null;
}

export const personalFields = z.registry<PersonalField>();

/** For the compiler alone: the same mark in a field's type. */
declare const isPersonal: unique symbol;
export type Personal<S extends z.ZodType> = z.ZodNullable<S> & { readonly [isPersonal]: true };

/** What is left of the data of a schema when nothing is opened. */
export type PublicPart<O extends z.ZodObject> = {
  [F in keyof z.infer<O>]: O['shape'][F & string] extends Personal<z.ZodType> ? null : z.infer<O>[F];
};

/** A personal field reads as `null` once its data key is gone. Only top-level fields can be personal. */
export function personal<S extends z.ZodType>(schema: S, subjectField: string | null = null): Personal<S> {
  const field = schema.nullable();
  personalFields.add(field, { subjectField });
  return field as Personal<S>;
}

/** The same object, with any value in the fields named: for reading what was checked before it was sealed. */
export function unchecked(schema: z.ZodObject, names: readonly string[]): z.ZodObject {
  // A rule over the whole object may look at any of its fields, and cannot be carried over.
  const hasRules = (schema._zod.def.checks?.length ?? 0) > 0;
  if (names.length === 0 || hasRules) return schema;
  return schema.extend(Object.fromEntries(names.map((name) => [name, z.unknown()])));
}
