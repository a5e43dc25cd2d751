/** Changes that others approve before they are done. */
import { z } from 'zod';
import { flagKeySchema, segmentKeySchema, whenSchema } from '../flag-values.ts';
import { nameSchema, reasonSchema, slugSchema } from '../values.ts';
import { flagEditsSchema } from './flags.ts';

export const MAX_COMMANDS_OF_REQUEST = 20;
/** Open ones of an environment. */
export const MAX_OPEN_REQUESTS = 100;

export const requestIdSchema = z
  .string()
  .regex(/^chg_[0-9a-f]{32}$/, 'a change request id is "chg_" and 32 hexadecimal digits');

/** What is meant, not what it leads to: it is decided when it is done. */
export const requestedCommandSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('change'), flag: flagKeySchema, edits: flagEditsSchema }),
  z.strictObject({ do: z.literal('rollback'), flag: flagKeySchema, revision: z.int().min(1) }),
  z.strictObject({ do: z.literal('copy'), flag: flagKeySchema, from: slugSchema }),
  z.strictObject({ do: z.literal('archive'), flag: flagKeySchema }),
  z.strictObject({ do: z.literal('restore'), flag: flagKeySchema }),
  z.strictObject({ do: z.literal('put_segment'), segment: segmentKeySchema, when: whenSchema }),
  z.strictObject({ do: z.literal('remove_segment'), segment: segmentKeySchema }),
]);
export type RequestedCommand = z.infer<typeof requestedCommandSchema>;

/** In their order: all of them are done at once, or none. */
export const requestedCommandsSchema = z.array(requestedCommandSchema).min(1).max(MAX_COMMANDS_OF_REQUEST);

export const openRequestSchema = z.strictObject({
  title: nameSchema.nullable().default(null),
  commands: requestedCommandsSchema,
});
export type OpenRequest = z.infer<typeof openRequestSchema>;

export const editRequestSchema = openRequestSchema;
export const approveRequestSchema = z.strictObject({
  /** Of what was looked at: an edit since then makes it another one. */
  hash: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'as the request shows it'),
});
export type ApproveRequest = z.infer<typeof approveRequestSchema>;
export const closeRequestSchema = z.strictObject({
  outcome: z.enum(['withdrawn', 'rejected']),
  reason: reasonSchema.nullable().default(null),
});
export type CloseRequest = z.infer<typeof closeRequestSchema>;
export const applyRequestSchema = z.strictObject({ reason: reasonSchema.nullable().default(null) });
