import { z } from 'zod';
import { ownerIdSchema } from '../values.ts';
import { type DecodedOf, defineEvent, type EventOf } from './definition.ts';

export const subjectEvents = {
  'subject.erased': defineEvent(
    1,
    z
      .strictObject({ subject: ownerIdSchema, keyIds: z.array(z.string()) })
      .describe('The data keys of a person are closed and destroyed; every field under them is erased.'),
  ),
};
export type SubjectEvent = EventOf<typeof subjectEvents>;
export type DecodedSubjectEvent = DecodedOf<typeof subjectEvents>;
