/** Subjects: the people that personal fields are about, known by opaque ids alone. */
import { z } from 'zod';
import { fold } from '../../commands/execute.ts';
import { subjectStream } from '../../commands/streams.ts';
import { eraseSubject } from '../../commands/subjects/erase-subject.ts';
import { evolveSubject, noSubject, type SubjectState } from '../../commands/subjects/subject-state.ts';
import { ownerIdSchema } from '../../schemas/values.ts';
import { subjectViewSchema } from '../../schemas/views/subjects.ts';
import { defineRoute } from '../services.ts';
import { answerOutcome } from './answer-outcome.ts';
import { readsOf } from './key-reads.ts';

const params = z.strictObject({
  subject: ownerIdSchema.meta({ description: 'The owner id of the person.', examples: ['customer-42'] }),
});
const example = { subject: 'customer-42', erasedAt: '2026-11-24T10:00:00.000Z', destroyedKeys: 1 };

export const subjectRoutes = [
  defineRoute({
    method: 'POST',
    path: '/v1/subjects/{subject}/erase',
    operationId: 'eraseSubject',
    summary: 'Erase a person',
    description:
      'Destroys the data keys of the person: what was written about them reads as erased everywhere, for good, and no proof breaks. The answer takes about six seconds: no process may hold a key by then. Keys that the person owns stay as they are; revoke them first.',
    tag: 'Subjects',
    access: { permission: 'subjects:erase' },
    idempotent: true,
    seconds: 6,
    params,
    responses: { 200: { description: 'Erased.', schema: subjectViewSchema, example } },
    async handler(request, services) {
      const { subject } = request.params;
      const context = request.command(subjectStream(request.caller.tenant, subject));
      const outcome = await eraseSubject({ ...services.execute, dataKeys: services.dataKeys }, context, {
        subject,
      });
      return answerOutcome(outcome, ({ state }) => ({ status: 200, body: viewOf(subject, state) }));
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/subjects/{subject}',
    operationId: 'getSubject',
    summary: 'Whether a person was erased',
    description: 'Read from the log. A person of whom nothing is known was never erased.',
    tag: 'Subjects',
    access: { permission: 'subjects:erase' },
    params,
    responses: { 200: { description: 'The person, by id alone.', schema: subjectViewSchema, example } },
    async handler(request, services) {
      const { subject } = request.params;
      const decider = { initial: noSubject, evolve: evolveSubject };
      const { state } = await fold(readsOf(services), decider, subjectStream(request.caller.tenant, subject));
      return { status: 200, body: viewOf(subject, state) };
    },
  }),
];

function viewOf(subject: string, state: SubjectState) {
  const erasedAt = state.erasedAtMs === null ? null : new Date(state.erasedAtMs).toISOString();
  return { subject, erasedAt, destroyedKeys: state.erasedKeyIds.length };
}
