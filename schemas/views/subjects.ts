import { z } from 'zod';
import { instantSchema, ownerIdSchema } from '../values.ts';

export const subjectViewSchema = z.strictObject({
  subject: ownerIdSchema,
  /** When it was last erased; null: never. */
  erasedAt: instantSchema.nullable(),
  /** Data keys that erasures have destroyed. */
  destroyedKeys: z.int(),
});
export type SubjectView = z.infer<typeof subjectViewSchema>;
