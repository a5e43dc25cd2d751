/** Change requests as they are answered. */
import { z } from 'zod';
import { requestIdSchema } from '../commands/change-requests.ts';
import { instantSchema, ownerIdSchema, slugSchema } from '../values.ts';

/** What commands answer: what the request is since. */
export const requestStandingSchema = z.strictObject({
  project: slugSchema,
  environment: slugSchema,
  request: requestIdSchema,
  status: z.enum(['open', 'applied', 'withdrawn', 'rejected']),
  /** Counts its own changes; its ETag is this number in quotes. Null: it is closed. */
  revision: z.int().nullable(),
  /** What an approval is of. Null: it is closed. */
  hash: z.string().nullable(),
  /** Owners that approved what it says now. */
  approvers: z.array(ownerIdSchema),
  approvalsRequired: z.int(),
});
export type RequestStanding = z.infer<typeof requestStandingSchema>;

export const changeRequestViewSchema = z.strictObject({
  request: requestIdSchema,
  title: z.string().nullable(),
  status: z.enum(['open', 'applied', 'withdrawn', 'rejected']),
  revision: z.int(),
  /** As they were written; a copy names the revision that it copies. */
  commands: z.array(z.record(z.string(), z.json())),
  /** For each command: the parts that it is about, as they were before it. */
  bases: z.array(z.record(z.string(), z.json())),
  hash: z.string(),
  authors: z.array(ownerIdSchema),
  approvers: z.array(ownerIdSchema),
  /** Why it was closed. */
  reason: z.string().nullable(),
  openedBy: z.string(),
  openedAt: instantSchema,
  changedAt: instantSchema,
});
/** In a list: what it says is a request of its own. */
export const changeRequestItemSchema = changeRequestViewSchema.omit({ commands: true, bases: true });
export type ChangeRequestView = z.infer<typeof changeRequestViewSchema>;
