/** One change in a history, whatever it is of. */
import { z } from 'zod';
import { instantSchema } from '../values.ts';

export const fieldChangeSchema = z.strictObject({ field: z.string(), before: z.json(), after: z.json() });
export type FieldChange = z.infer<typeof fieldChangeSchema>;

export const changeEntrySchema = z.strictObject({
  /** Type of the event, e.g. `key.scopes-changed`. */
  type: z.string(),
  at: instantSchema,
  /** `<epoch>.<position>`: `asOf` it shows what this change left. */
  position: z.string(),
  /** Version of the stream that the change is in. */
  version: z.int(),
  /** An opaque id: a key's, or `system:<role>`. */
  actor: z.string(),
  reason: z.string().nullable(),
  changes: z.array(fieldChangeSchema),
  correlationId: z.string(),
});
export type ChangeEntry = z.infer<typeof changeEntrySchema>;
