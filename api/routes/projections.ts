/** The read models themselves, and the streams that wait because an event could not be projected. */
import { z } from 'zod';
import { metadataOf, requestOnParked } from '../../commands/projections/request-on-parked.ts';
import { withProblem } from '../../projections/relay-standing.ts';
import { withWorkers } from '../../projections/who-works.ts';
import { positionToken, type StreamId, type TenantId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { ProjectionEvent } from '../../schemas/events/projections.ts';
import type { Answer, RouteRequest } from '../route.ts';
import { defineRoute, type Services } from '../services.ts';
import { answerOutcome } from './answer-outcome.ts';
import { POSITION_EXAMPLE } from './examples.ts';

const projectionParams = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,39}$/, 'a projection is named by a-z, 0-9, "_" and "-"')
    .meta({ description: 'Name of the projection.', examples: ['keys'] }),
});
const streamSchema = z
  .string()
  .regex(/^[a-z]+-[A-Za-z0-9_-]{1,150}$/, 'a stream is named `<category>-<id>`')
  .meta({ examples: ['key-key_4fTq0ZxW91bA'] });

const MAX_PARKED_PAGE = 100;

const projectionsSchema = z.strictObject({
  projections: z.array(
    z.strictObject({
      name: z.string(),
      /** Counts the sets of tables; stamps carry it. */
      revision: z.int(),
      codeRevision: z.int(),
      state: z.enum(['current', 'building', 'shadow', 'old']),
      position: z.string(),
      /** The runner that advances it; null: nobody does, or Kafka feeds it. */
      holder: z.string().nullable(),
      /** The processes that work on it; empty: none does. Null: Kafka feeds it, and does not tell. */
      runBy: z.array(z.string()).nullable(),
      /** Why it stopped until an operator acts. */
      halted: z.string().nullable(),
      parkedStreams: z.int(),
      /** What brings it the events. */
      fedBy: z.enum(['log', 'kafka']),
      /** Of the topics that feed it; null: the log does. */
      generation: z.int().nullable(),
      /** What it waits for, the relay say, or a projector where none works; null: nothing is known. */
      problem: z.string().nullable(),
    }),
  ),
});

const parkedSchema = z.strictObject({
  parked: z.array(
    z.strictObject({
      stream: z.string(),
      /** Version of the event that failed; it and all later ones of the stream wait. */
      firstVersion: z.int(),
      firstPosition: z.string(),
      lastVersion: z.int(),
      events: z.int(),
      error: z.string(),
    }),
  ),
  /** Pass it as `after`; null: that was all. */
  nextAfter: z.string().nullable(),
});

const requestedSchema = z.strictObject({ projection: z.string(), stream: z.string(), version: z.int() });
const requestedExample = { projection: 'keys', stream: 'key-key_4fTq0ZxW91bA', version: 8 };

export const projectionRoutes = [
  defineRoute({
    method: 'GET',
    path: '/v1/projections',
    operationId: 'listProjections',
    summary: 'List projections',
    description:
      'Every revision of every read model: where it stands, which processes work on it, what feeds it and whether that stands still, and what it has parked.',
    tag: 'Projections',
    access: { permission: 'projections:read' },
    responses: {
      200: {
        description: 'The projections.',
        schema: projectionsSchema,
        example: {
          projections: [
            {
              name: 'keys',
              revision: 1,
              codeRevision: 1,
              state: 'current',
              position: POSITION_EXAMPLE,
              holder: 'process 4711 on projector-1 (9f86d081884c7d65)',
              runBy: ['process 4711 on projector-1 (9f86d081884c7d65)'],
              halted: null,
              parkedStreams: 0,
              fedBy: 'log',
              generation: null,
              problem: null,
            },
          ],
        },
      },
    },
    async handler(_request, services) {
      const stands = await withProblem(await services.projections.revisions(), services.relayProblem);
      const revisions = await withWorkers(stands, services.members);
      const projections = revisions.map((r) => ({
        name: r.projection,
        revision: r.revision,
        codeRevision: r.codeRevision,
        state: r.state,
        position: positionToken(r.bookmark.epoch, r.bookmark.position),
        holder: r.holder,
        runBy: r.runBy === null ? null : [...r.runBy],
        halted: r.halted,
        parkedStreams: r.parkedStreams,
        fedBy: r.feed === null ? ('log' as const) : ('kafka' as const),
        generation: r.feed?.generation ?? null,
        problem: r.problem,
      }));
      return { status: 200, body: { projections } };
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/projections/{name}/parked',
    operationId: 'listParked',
    summary: 'List parked streams',
    description: 'Streams whose events wait because one could not be projected.',
    tag: 'Projections',
    access: { permission: 'projections:read' },
    params: projectionParams,
    query: z.strictObject({
      after: streamSchema.optional().meta({ description: 'Where the page before ended.' }),
    }),
    responses: {
      200: {
        description: 'A page of parked streams, by name.',
        schema: parkedSchema,
        example: {
          parked: [
            {
              stream: 'key-key_4fTq0ZxW91bA',
              firstVersion: 7,
              firstPosition: POSITION_EXAMPLE,
              lastVersion: 7,
              events: 1,
              error: 'UndecodableEvent: data does not fit the schema',
            },
          ],
          nextAfter: null,
        },
      },
    },
    async handler(request, services) {
      const { name } = request.params;
      await demandProjection(services, name);
      const { after } = request.query;
      const parked = await services.projections.parked(name, {
        ...(after === undefined ? {} : { after: after as StreamId }),
        limit: MAX_PARKED_PAGE,
      });
      const epoch = services.epoch();
      return {
        status: 200,
        body: {
          parked: parked.map(({ firstPosition, ...rest }) => ({
            ...rest,
            firstPosition: positionToken(epoch, firstPosition),
          })),
          nextAfter: parked.length < MAX_PARKED_PAGE ? null : parked.at(-1)!.stream,
        },
      };
    },
  }),
  defineRoute({
    method: 'POST',
    path: '/v1/projections/{name}/parked/replay',
    operationId: 'replayParked',
    summary: 'Replay a parked stream',
    description: 'Has the runner try again what waits in the stream, in order: after a fix.',
    tag: 'Projections',
    access: { permission: 'projections:write' },
    params: projectionParams,
    body: z.strictObject({ stream: streamSchema }),
    bodyExample: { stream: 'key-key_4fTq0ZxW91bA' },
    idempotent: true,
    problems: ['conflict'],
    responses: { 202: { description: 'Asked.', schema: requestedSchema, example: requestedExample } },
    handler: (request, services) =>
      ask(request, services, {
        type: 'projection.replay-requested',
        data: { projection: request.params.name },
      }),
  }),
  defineRoute({
    method: 'POST',
    path: '/v1/projections/{name}/parked/discard',
    operationId: 'discardParked',
    summary: 'Discard a parked event',
    description:
      'Has the runner drop the event that the stream is parked at, for this projection and its rebuilds, and replay those behind it. The log keeps the event.',
    tag: 'Projections',
    access: { permission: 'projections:write' },
    params: projectionParams,
    body: z.strictObject({
      stream: streamSchema,
      /** `firstVersion` of the parked stream: another one is left alone. */
      version: z.int().min(1),
    }),
    bodyExample: { stream: 'key-key_4fTq0ZxW91bA', version: 7 },
    idempotent: true,
    problems: ['conflict'],
    responses: { 202: { description: 'Asked.', schema: requestedSchema, example: requestedExample } },
    handler: (request, services) =>
      ask(request, services, {
        type: 'projection.discard-requested',
        data: { projection: request.params.name, version: request.body.version },
      }),
  }),
];

type AskRequest = RouteRequest<z.output<typeof projectionParams>, unknown, { readonly stream: string }>;

async function ask(request: AskRequest, services: Services, event: ProjectionEvent): Promise<Answer> {
  const { name } = request.params;
  const stream = request.body.stream as StreamId;
  await demandProjection(services, name);
  const [first] = await services.log.readStream(stream, { through: 1 });
  if (!first) throw new PlinthError('not_found', 'There is no such stream.');
  // The event belongs to the stream's tenant, whoever asks for it.
  const context = request.command(stream, metadataOf(first).tenant as TenantId);
  // What was handled before is answered though nothing is parked any more.
  if (
    !(await services.projections.isParked(name, [stream])) &&
    !(await handled(services, stream, context.commandId))
  ) {
    throw new PlinthError('conflict', `${stream} is not parked in ${name}.`);
  }
  const outcome = await requestOnParked(services.execute, context, stream, event);
  return answerOutcome(outcome, ({ version }) => ({
    status: 202,
    body: { projection: name, stream, version },
  }));
}

async function handled(services: Services, stream: StreamId, commandId: string): Promise<boolean> {
  const events = await services.log.readStream(stream);
  return events.some((event) => metadataOf(event).commandId === commandId);
}

async function demandProjection(services: Services, name: string): Promise<void> {
  if ((await services.projections.revisions(name)).length > 0) return;
  throw new PlinthError('not_found', 'There is no such projection.');
}
