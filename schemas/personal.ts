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

/** A personal field reads as `null` once its data key is gone. Only top-level fields can be personal. */
export function personal<S extends z.ZodType>(schema: S, subjectField: string | null = null) {
  const field = schema.nullable();
  personalFields.add(field, { subjectField });
  return field;
}
