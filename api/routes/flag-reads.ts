/** A flag in one environment: what it is, what happened to it, why somebody got what. */
import { z } from 'zod';
import { explainFlag } from '../../commands/flags/explain-flag.ts';
import { flagChangeView, flagHistory } from '../../commands/flags/flag-history.ts';
import { difference } from '../../commands/flags/flag-parts.ts';
import { environmentFlagView, flagInEnvironmentView } from '../../commands/flags/flag-view.ts';
import { environmentStream } from '../../commands/streams.ts';
import { flagWithReferences, listEnvironmentFlags } from '../../projections/flags/queries.ts';
import { explainFlagSchema } from '../../schemas/commands/flags.ts';
import { slugSchema } from '../../schemas/values.ts';
import { fieldChangeSchema } from '../../schemas/views/changes.ts';
import {
  environmentFlagViewSchema,
  flagExplanationViewSchema,
  flagHistoryViewSchema,
  flagInEnvironmentViewSchema,
} from '../../schemas/views/flags.ts';
import { defineRoute } from '../services.ts';
import { keyExample, POSITION_EXAMPLE } from './examples.ts';
import { explanationExample, flagInEnvironmentExample } from './flag-examples.ts';
import {
  ENVIRONMENT_FLAGS,
  environmentParams,
  FLAG_IN_ENVIRONMENT,
  flagInEnvironmentParams,
  noSuch,
  readFlags,
  readsFlags,
} from './flag-paths.ts';
import { momentOf } from './moment.ts';
import { nextCursorSchema, pageQuery, pagerOf } from './paging.ts';

const params = flagInEnvironmentParams;

const { notInFlagd: _, ...listedExample } = flagInEnvironmentExample;

export const flagReadRoutes = [
  defineRoute({
    ...readsFlags,
    method: 'GET',
    path: ENVIRONMENT_FLAGS,
    operationId: 'listEnvironmentFlags',
    summary: 'List the flags of an environment',
    description:
      'Newest first, each as it answers there, archived ones too. A page ends early at 1 MiB of flags.',
    params: environmentParams,
    query: z.strictObject(pageQuery),
    problems: ['invalid_cursor'],
    responses: {
      200: {
        description: 'A page of flags.',
        schema: z.strictObject({ flags: z.array(environmentFlagViewSchema), nextCursor: nextCursorSchema }),
        example: { flags: [listedExample], nextCursor: null },
      },
    },
    async handler(request, services) {
      const { tenant } = request.caller;
      const { project, environment } = request.params;
      const pager = pagerOf(services, tenant, `flags of ${project} ${environment}`, request.query);
      const { result, stamp } = await readFlags(services, request, (tx, flags) =>
        listEnvironmentFlags(tx, flags, { tenant, project, environment }, pager.page),
      );
      if (result === null) throw noSuch('environment');
      const flags = result.items.map((flag) => environmentFlagView({ project, environment }, flag));
      return { status: 200, position: stamp.position, body: { flags, nextCursor: pager.next(result) } };
    },
  }),
  defineRoute({
    ...readsFlags,
    method: 'GET',
    path: FLAG_IN_ENVIRONMENT,
    operationId: 'getFlagInEnvironment',
    summary: 'Get a flag in an environment',
    description: 'How it answers there.',
    params,
    problems: ['stream_parked'],
    responses: {
      200: {
        description: 'The flag in the environment.',
        schema: flagInEnvironmentViewSchema,
        example: flagInEnvironmentExample,
      },
    },
    async handler(request, services) {
      const { project, environment, flag: key } = request.params;
      const stream = environmentStream(request.caller.tenant, project, environment);
      const { result, stamp } = await readFlags(services, request, (tx, flags) =>
        flagWithReferences(tx, flags, stream, key),
      );
      const flag = result.flags.get(key);
      if (!flag) throw noSuch('flag');
      const view = flagInEnvironmentView({ project, environment }, flag, result);
      return { status: 200, position: stamp.position, version: view.revision, body: view };
    },
  }),
  defineRoute({
    ...readsFlags,
    readsYourWrites: false,
    method: 'GET',
    path: `${FLAG_IN_ENVIRONMENT}/difference`,
    operationId: 'compareFlag',
    summary: 'Compare a flag with another environment',
    description: 'The parts that a copy from there would change.',
    params,
    query: z.strictObject({ from: slugSchema.meta({ description: 'The other environment.' }) }),
    responses: {
      200: {
        description: 'The parts that differ.',
        schema: z.strictObject({ changes: z.array(fieldChangeSchema) }),
        example: { changes: [{ field: 'mode', before: 'off', after: 'on' }] },
      },
    },
    async handler(request, services) {
      const { project, environment, flag } = request.params;
      const { tenant } = request.caller;
      const [here, there] = [environment, request.query.from].map((name) =>
        environmentStream(tenant, project, name),
      );
      const { result, stamp } = await readFlags(services, { atLeast: undefined }, async (tx, flags) => [
        (await flagWithReferences(tx, flags, here!, flag)).flags.get(flag),
        (await flagWithReferences(tx, flags, there!, flag)).flags.get(flag),
      ]);
      const [to, from] = result;
      if (!to || !from) throw noSuch('flag');
      const changes = difference(to, from).map(({ part, before, after }) => ({ field: part, before, after }));
      return { status: 200, position: stamp.position, body: { changes } };
    },
  }),
  defineRoute({
    ...readsFlags,
    readsYourWrites: false,
    method: 'GET',
    path: `${FLAG_IN_ENVIRONMENT}/history`,
    operationId: 'getFlagHistory',
    summary: 'History of a flag in an environment',
    description: 'Its changes, oldest first, with actor, reason and each part before and after.',
    params,
    query: z.strictObject(pageQuery),
    problems: ['invalid_cursor', 'epoch_gone', 'stream_parked'],
    responses: {
      200: {
        description: 'A page of changes.',
        schema: flagHistoryViewSchema,
        example: {
          changes: [
            {
              type: 'flag.changed',
              at: '2026-03-02T10:30:00.000Z',
              position: POSITION_EXAMPLE,
              version: 7,
              actor: keyExample.createdBy,
              reason: 'first quarter of customers',
              changes: [{ field: 'mode', before: 'off', after: 'on' }],
              correlationId: 'req_3q2-7wAAAAAAAAAAAAAA',
              revision: 2,
              cause: { kind: 'edit', id: null, revision: null, environment: null },
            },
          ],
          nextCursor: null,
        },
      },
    },
    async handler(request, services) {
      const { tenant } = request.caller;
      const { project, environment, flag } = request.params;
      const list = `history of ${project} ${environment} ${flag}`;
      const pager = pagerOf(services, tenant, list, request.query);
      const page = await flagHistory(services.execute, tenant, request.params, pager.page);
      if (page === null) throw noSuch('flag');
      const epoch = services.epoch();
      const changes = page.entries.map((entry) => flagChangeView(epoch, entry));
      return { status: 200, body: { changes, nextCursor: pager.next(page) } };
    },
  }),
  defineRoute({
    ...readsFlags,
    readsYourWrites: false,
    method: 'POST',
    path: `${FLAG_IN_ENVIRONMENT}/explain`,
    operationId: 'explainFlag',
    summary: 'Explain an evaluation',
    description:
      'What a context gets and why, now or with `asOf` as it was: every step that was looked at, and where the context lies in a rollout. It is folded from the log; the same `asOf` answers the same again.',
    params,
    body: explainFlagSchema,
    bodyExample: { context: { targetingKey: 'customer-42', plan: 'pro' } },
    problems: ['epoch_gone', 'stream_parked'],
    responses: {
      200: {
        description: 'The explanation.',
        schema: flagExplanationViewSchema,
        example: explanationExample,
      },
    },
    async handler(request, { execute, epoch, clock }) {
      const { context, asOf } = request.body;
      const moment = asOf === undefined ? null : momentOf(asOf, epoch());
      const asked = { ...request.params, context, moment };
      const { tenant } = request.caller;
      const explained = await explainFlag(execute, tenant, asked, clock.now(), epoch());
      if (explained === null) throw noSuch('flag');
      return { status: 200, body: explained };
    },
  }),
];
