/** Segments of an environment: conditions with a name, that rules refer to. */
import { z } from 'zod';
import { changeSegment } from '../../commands/flags/change-segment.ts';
import { environmentStream } from '../../commands/streams.ts';
import { listSegments } from '../../projections/flags/queries.ts';
import { putSegmentSchema, reasonQuerySchema } from '../../schemas/commands/flags.ts';
import { MAX_EVENT_BYTES } from '../../schemas/envelope.ts';
import { segmentViewSchema } from '../../schemas/views/flags.ts';
import { defineRoute } from '../services.ts';
import { answerOutcome } from './answer-outcome.ts';
import {
  environmentParams,
  readFlags,
  readsFlags,
  SEGMENTS,
  segmentParams,
  writesFlags,
} from './flag-paths.ts';

const example = {
  segment: 'staff',
  when: { attribute: 'email', is: 'ends_with', value: '@example.com' },
} as const;
const path = `${SEGMENTS}/{segment}`;
const problems = ['conflict', 'approval_required'] as const;

export const segmentRoutes = [
  defineRoute({
    ...readsFlags,
    method: 'GET',
    path: SEGMENTS,
    operationId: 'listSegments',
    summary: 'List the segments of an environment',
    description: 'All of them, by key.',
    params: environmentParams,
    responses: {
      200: {
        description: 'The segments.',
        schema: z.strictObject({ segments: z.array(segmentViewSchema) }),
        example: { segments: [example] },
      },
    },
    async handler(request, services) {
      const { project, environment } = request.params;
      const stream = environmentStream(request.caller.tenant, project, environment);
      const { result, stamp } = await readFlags(services, request, (tx, flags) =>
        listSegments(tx, flags, stream),
      );
      const segments = result.map(([segment, when]) => ({ segment, when }));
      return { status: 200, position: stamp.position, body: { segments } };
    },
  }),
  defineRoute({
    ...writesFlags,
    method: 'PUT',
    path,
    operationId: 'putSegment',
    summary: 'Make or change a segment',
    description: 'It may refer to other segments, up to five deep. Every rule that refers to it follows.',
    params: segmentParams,
    body: putSegmentSchema,
    maxBodyBytes: MAX_EVENT_BYTES,
    bodyExample: { when: example.when, reason: null },
    problems,
    responses: { 200: { description: 'The segment.', schema: segmentViewSchema, example } },
    async handler(request, { execute }) {
      const { params, body } = request;
      const stream = environmentStream(request.caller.tenant, params.project, params.environment);
      const outcome = await changeSegment(execute, request.command(stream), { ...params, ...body });
      const { segment } = params;
      return answerOutcome(outcome, () => ({ status: 200, body: { segment, when: body.when } }));
    },
  }),
  defineRoute({
    ...writesFlags,
    method: 'DELETE',
    path,
    operationId: 'removeSegment',
    summary: 'Remove a segment',
    description: 'Refused while a rule refers to it.',
    params: segmentParams,
    query: reasonQuerySchema,
    problems,
    responses: { 204: { description: 'Removed.' } },
    async handler(request, { execute }) {
      const { params } = request;
      const stream = environmentStream(request.caller.tenant, params.project, params.environment);
      const reason = request.query.reason ?? null;
      const input = { ...params, when: null, reason };
      return answerOutcome(await changeSegment(execute, request.command(stream), input), () => ({
        status: 204,
      }));
    },
  }),
];
