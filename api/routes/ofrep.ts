/** Evaluation over OFREP 0.3.0, which every OpenFeature client speaks: https://github.com/open-feature/protocol */
import { z } from 'zod';
import type { Clock } from '../../commands/clock.ts';
import { evaluateFlagsSchema } from '../../schemas/commands/ofrep.ts';
import type { Epoch, Position, StreamId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import {
  ofrepBulkFailureSchema,
  ofrepBulkSchema,
  ofrepErrorSchema,
  ofrepEvaluationSchema,
  ofrepFailureSchema,
} from '../../schemas/views/ofrep.ts';
import { bulkEtag, namesEtag, positionInEtag } from '../flags/bulk-etag.ts';
import type { ChangeStreams } from '../flags/change-streams.ts';
import type { ClientLimit } from '../flags/client-limit.ts';
import { evaluateAll } from '../flags/evaluate-all.ts';
import { contextOf } from '../flags/evaluation-context.ts';
import { flagsReader } from '../flags/flags-use.ts';
import { bulkText, invalidContext, listedText, singleAnswer } from '../flags/ofrep-answers.ts';
import type { ServedEnvironment, ServedFlags } from '../flags/served-environment.ts';
import { type Answer, type ResponseSpec, type RouteRequest, routesOf } from '../route.ts';

export interface OfrepServices {
  readonly clock: Clock;
  readonly epoch: () => Epoch;
  readonly flags: ServedFlags & {
    /** Seconds since an environment was last known to be what the log says; null: it is so now. */
    ageSeconds(stream: StreamId): number | null;
  };
  /** Absent: nobody is told of changes. */
  readonly flagStreams?: ChangeStreams;
  /** What one address may ask with a client's key. Absent: anything. */
  readonly clientLimit?: ClientLimit;
}

const defineRoute = routesOf<OfrepServices>();
type Asked = RouteRequest<unknown, unknown, unknown>;

/** The limit is judged first: at once, unless processes share it. */
const limited =
  (evaluate: (request: Asked, services: OfrepServices) => Answer | Promise<Answer>) =>
  (request: Asked, services: OfrepServices): Answer | Promise<Answer> => {
    const waiting = services.clientLimit?.(request.caller, request.peerIp);
    return waiting ? waiting.then(() => evaluate(request, services)) : evaluate(request, services);
  };

function evaluateOne(request: Asked, { clock, flags }: OfrepServices): Answer | Promise<Answer> {
  const { key } = request.params as { readonly key: string };
  const { use, stream } = flagsReader(request.caller);
  const context = contextOf(request.body);
  if (typeof context === 'string') return invalidContext(key, context);
  const answer = (environment: ServedEnvironment) =>
    singleAnswer(environment, key, context, use, clock.now());
  return fromServed(flags, stream, request.atLeast, answer);
}

function evaluateEach(request: Asked, services: OfrepServices): Answer | Promise<Answer> {
  const { flagConfigEtag, omitCodeDefaults = 'false' } = request.query as Readonly<Record<string, unknown>>;
  if (omitCodeDefaults !== 'true' && omitCodeDefaults !== 'false') {
    throw new PlinthError('invalid_request', '`omitCodeDefaults` is true or false.');
  }
  const context = contextOf(request.body);
  if (typeof context === 'string') {
    return { status: 400, body: JSON.stringify({ errorCode: 'INVALID_CONTEXT', errorDetails: context }) };
  }
  const reader = flagsReader(request.caller);
  const streamWindow = services.flagStreams?.window() ?? 0;
  const asked = { use: reader.use, omitCodeDefaults: omitCodeDefaults === 'true', streamWindow, context };
  const answer = (environment: ServedEnvironment): Answer | Promise<Answer> => {
    const headers: Record<string, string> = {};
    if (!environment.readsClock && !environment.isPartOfPosition) {
      headers.etag = bulkEtag(services.epoch(), environment.position, asked);
      if (namesEtag(request.ifNoneMatch, headers.etag)) return { status: 304, headers };
    }
    const nowMs = services.clock.now();
    const told = (members: string): Answer => ({
      status: 200,
      headers,
      body: bulkText(members, services.flagStreams?.of(reader, streamWindow) ?? []),
    });
    const members = evaluateAll(
      environment.flags.values(),
      (flag) => listedText(flag, context, asked, nowMs),
      services.clock,
    );
    return members instanceof Promise ? members.then(told) : told(members);
  };
  const hinted = positionInEtag(flagConfigEtag, services.epoch());
  const { atLeast } = request;
  // Positions sort by plain comparison.
  const through = hinted !== undefined && (atLeast === undefined || hinted > atLeast) ? hinted : atLeast;
  return fromServed(services.flags, reader.stream, through, answer);
}

/** With `Age` (RFC 9111 §5.1), where it is of an environment that could not be read again. */
function fromServed(
  flags: OfrepServices['flags'],
  stream: StreamId,
  through: Position | undefined,
  answerOf: (environment: ServedEnvironment) => Answer | Promise<Answer>,
): Answer | Promise<Answer> {
  const environment = flags.of(stream, through);
  // What is known to be fresh is there at once.
  if (!(environment instanceof Promise)) return answerOf(present(environment));
  return environment.then(async (found) => {
    const age = flags.ageSeconds(stream);
    const answer = await answerOf(present(found));
    return age === null ? answer : { ...answer, headers: { ...answer.headers, age: String(age) } };
  });
}

/** A key is issued for an environment that is there, and none is ever removed. */
function present(environment: ServedEnvironment | null): ServedEnvironment {
  if (environment !== null) return environment;
  throw new PlinthError('projection_behind', 'The environment of this key has not been read yet.');
}

const error = (description: string): ResponseSpec => ({
  description,
  schema: ofrepErrorSchema,
  example: { errorDetails: 'Something broke here. The request id finds it in the log.' },
});
const refusals: Readonly<Record<number, ResponseSpec>> = {
  401: { description: 'No key, or not one for flags.' },
  403: { description: 'The tenant is suspended.' },
  405: error('Another method than POST.'),
  406: error('`Accept` takes no JSON.'),
  408: error('The request took too long to arrive.'),
  410: error('`Plinth-Position` belongs to a history that is gone.'),
  413: error('The body is too large.'),
  414: error('The address is too long.'),
  415: error('The body is not `application/json` in UTF-8.'),
  429: { description: 'Too many requests: wait as `Retry-After` says.' },
  431: error('The headers are too large.'),
  500: error('Something broke here.'),
  503: error('Something that this needs is away, behind or busy: wait as `Retry-After` says.'),
};
const bodyExample = { context: { targetingKey: 'user-17', plan: 'pro' } };
const evaluationExample = {
  key: 'new-checkout',
  value: true,
  reason: 'SPLIT',
  variant: 'on',
  metadata: { owner: 'payments' },
};

export const ofrepRoutes = [
  defineRoute({
    method: 'POST',
    path: '/ofrep/v1/evaluate/flags',
    operationId: 'evaluateFlags',
    summary: 'Evaluate all flags',
    description:
      'For clients that keep the answers and ask again on a change. Send the `ETag` back in `If-None-Match`: 304 says that nothing has changed, and costs next to nothing. `flagConfigEtag`, as a notice of a change carries it, waits until the answer shows that change. Other fields and parameters are ignored.\n\nAn environment with imported rules that read the clock has no `ETag`.',
    tag: 'Evaluate flags',
    access: { flagsKeys: ['flags-server', 'flags-client'] },
    raw: true,
    cors: true,
    readsYourWrites: true,
    query: z.looseObject({
      flagConfigEtag: z
        .string()
        .optional()
        .describe('Of a notice of a change: the answer shows it. One that is not understood is ignored.'),
      omitCodeDefaults: z
        .enum(['true', 'false'])
        .optional()
        .describe(
          '`true`: without flags that have no value, which clients of 2025 and before take for errors.',
        ),
    }),
    body: evaluateFlagsSchema,
    bodyExample,
    responses: {
      200: {
        description: 'All flags that the key may see.',
        schema: ofrepBulkSchema,
        example: {
          flags: [
            evaluationExample,
            { key: 'search', reason: 'DEFAULT' },
            { key: 'imported', errorCode: 'GENERAL', errorDetails: 'This flag cannot be evaluated.' },
          ],
        },
      },
      304: { description: 'Nothing has changed.' },
      400: {
        description: 'Nothing can be evaluated for this.',
        schema: ofrepBulkFailureSchema,
        example: { errorCode: 'INVALID_CONTEXT', errorDetails: '`context` is an object.' },
      },
      ...refusals,
    },
    handler: limited(evaluateEach),
  }),
  defineRoute({
    method: 'POST',
    path: '/ofrep/v1/evaluate/flags/{key}',
    operationId: 'evaluateFlag',
    summary: 'Evaluate one flag',
    description:
      'For servers, which ask for each decision. An answer without `value` leaves it to the default in the code. Fields and parameters that are not known are ignored.',
    tag: 'Evaluate flags',
    access: { flagsKeys: ['flags-server', 'flags-client'] },
    raw: true,
    cors: true,
    readsYourWrites: true,
    params: z.strictObject({
      key: z.string().meta({ description: 'Of the flag.', examples: ['new-checkout'] }),
    }),
    body: evaluateFlagsSchema,
    bodyExample,
    responses: {
      200: { description: 'What it answers.', schema: ofrepEvaluationSchema, example: evaluationExample },
      400: {
        description: 'It cannot be evaluated for this.',
        schema: ofrepFailureSchema,
        example: {
          key: 'new-checkout',
          errorCode: 'INVALID_CONTEXT',
          errorDetails: '`context` is an object.',
        },
      },
      404: {
        description: 'There is no such flag, or the key may not see it.',
        schema: ofrepFailureSchema,
        example: {
          key: 'new-checkout',
          errorCode: 'FLAG_NOT_FOUND',
          errorDetails: 'There is no such flag here.',
        },
      },
      ...refusals,
    },
    // Some clients ask for all with a slash at the end, which is a key of no characters.
    handler: limited((request, services) =>
      (request.params as { readonly key: string }).key === ''
        ? evaluateEach(request, services)
        : evaluateOne(request, services),
    ),
  }),
];
