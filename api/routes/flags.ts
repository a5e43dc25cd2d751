/** Flags of a project: what people know of them, whatever the environment. */
import { z } from 'zod';
import { createFlag } from '../../commands/flags/create-flag.ts';
import { flagView } from '../../commands/flags/flag-view.ts';
import { spread, spreadOf } from '../../commands/flags/spread.ts';
import { updateFlag } from '../../commands/flags/update-flag.ts';
import { projectStream } from '../../commands/streams.ts';
import { flagThing, textsOf } from '../../projections/flags/flag-texts-projection.ts';
import { getFlag, type ListedFlag, listFlags } from '../../projections/flags/queries.ts';
import { createFlagSchema, updateFlagSchema } from '../../schemas/commands/projects.ts';
import { MAX_EVENT_BYTES } from '../../schemas/envelope.ts';
import { flagKeySchema, lifecycleSchema } from '../../schemas/flag-values.ts';
import { createdFlagViewSchema, flagListItemSchema, flagViewSchema } from '../../schemas/views/flags.ts';
import { defineRoute } from '../services.ts';
import { answerOutcome, briefly, refusal } from './answer-outcome.ts';
import { flagExample } from './flag-examples.ts';
import {
  FLAG,
  FLAGS,
  flagParams,
  ifRevisionOf,
  noSuch,
  projectParams,
  readFlags,
  readsFlags,
  writesFlags,
} from './flag-paths.ts';
import { nextCursorSchema, pageQuery, pagerOf } from './paging.ts';

const namedFlagSchema = flagListItemSchema.extend({
  name: z.string().nullable(),
  description: z.string().nullable(),
});
const listedExample = {
  ...flagExample,
  environments: [
    {
      environment: 'production',
      mode: 'on' as const,
      archived: false,
      revision: 2,
      changedAt: '2026-03-02T10:30:00.000Z',
    },
  ],
  name: 'New checkout',
  description: null,
};

function listed(project: string, { flag, environments }: ListedFlag) {
  return {
    ...flagView(project, flag),
    environments: environments.map((one) => ({
      environment: one.environment,
      mode: one.flag.settings.mode,
      archived: one.flag.archived,
      revision: one.flag.revision,
      changedAt: new Date(one.changedAtMs).toISOString(),
    })),
  };
}

export const flagRoutes = [
  defineRoute({
    ...writesFlags,
    method: 'POST',
    path: FLAGS,
    operationId: 'createFlag',
    summary: 'Create a flag',
    description:
      'Off in every environment of the project. Left out: a boolean flag that serves `on` to everybody once it is on.',
    params: projectParams,
    body: createFlagSchema,
    maxBodyBytes: MAX_EVENT_BYTES,
    bodyExample: { flag: 'dark-mode', name: 'Dark mode', tags: ['theme'], clientVisible: true },
    problems: ['already_exists', 'conflict'],
    responses: {
      201: {
        description:
          'Created. A `problem` tells why an environment has it not yet; that is done again by itself.',
        schema: createdFlagViewSchema,
        example: {
          ...flagExample,
          flag: 'dark-mode',
          environments: [{ environment: 'production', problem: null }],
        },
      },
    },
    async handler(request, { execute }) {
      const { project } = request.params;
      const { flag } = request.body;
      const { tenant } = request.caller;
      const context = request.command(projectStream(tenant, project));
      const outcome = await createFlag(execute, context, { ...request.body, project });
      if (outcome.kind === 'rejected') throw refusal(outcome.rejection);
      const steps = await spread(execute, spreadOf(context), tenant, outcome.state, { flags: [flag] });
      const created = flagView(project, outcome.state.flags.get(flag)!);
      const environments = steps.map(({ environment, rejection }) => ({
        environment,
        problem: rejection && briefly(rejection),
      }));
      return {
        status: 201,
        position: outcome.position,
        replayed: outcome.replayed,
        version: created.revision,
        body: { ...created, environments },
      };
    },
  }),
  defineRoute({
    ...readsFlags,
    method: 'GET',
    path: FLAGS,
    operationId: 'listFlags',
    summary: 'List flags',
    description: 'Newest first, filtered, each with what it is in every environment.',
    params: projectParams,
    query: z.strictObject({
      lifecycle: lifecycleSchema.optional(),
      q: flagKeySchema.optional().meta({ description: 'Start of the key.' }),
      ...pageQuery,
    }),
    problems: ['invalid_cursor'],
    responses: {
      200: {
        description: 'A page of flags.',
        schema: z.strictObject({ flags: z.array(namedFlagSchema), nextCursor: nextCursorSchema }),
        example: { flags: [listedExample], nextCursor: null },
      },
    },
    async handler(request, services) {
      const { tenant } = request.caller;
      const { project } = request.params;
      const { lifecycle, q } = request.query;
      const pager = pagerOf(services, tenant, `flags of ${project}`, request.query);
      const filter = { ...(lifecycle && { lifecycle }), ...(q && { q }) };
      const { result, stamp } = await readFlags(services, request, async (tx, flags, texts) => {
        const page = await listFlags(tx, flags, tenant, project, filter, pager.page);
        const things = page.items.map(({ flag }) => flagThing(flag.flag));
        const textOf = await textsOf(tx, texts, projectStream(tenant, project), things);
        const items = page.items.map((one) => ({
          ...listed(project, one),
          ...textOf(flagThing(one.flag.flag)),
        }));
        return { flags: items, nextCursor: pager.next(page) };
      });
      return { status: 200, position: stamp.position, body: result };
    },
  }),
  defineRoute({
    ...readsFlags,
    method: 'GET',
    path: FLAG,
    operationId: 'getFlag',
    summary: 'Get a flag',
    description: 'What people know of it, and what it is in every environment.',
    params: flagParams,
    responses: { 200: { description: 'The flag.', schema: namedFlagSchema, example: listedExample } },
    async handler(request, services) {
      const { tenant } = request.caller;
      const { project, flag } = request.params;
      const { result, stamp } = await readFlags(services, request, async (tx, flags, texts) => {
        const found = await getFlag(tx, flags, tenant, project, flag);
        if (found === null) return null;
        const textOf = await textsOf(tx, texts, projectStream(tenant, project), [flagThing(flag)]);
        return { ...listed(project, found), ...textOf(flagThing(flag)) };
      });
      if (result === null) throw noSuch('flag');
      return { status: 200, position: stamp.position, version: result.revision, body: result };
    },
  }),
  defineRoute({
    ...writesFlags,
    method: 'PATCH',
    path: FLAG,
    operationId: 'updateFlag',
    summary: 'Change what people know of a flag',
    description: 'Its owner, tags, kind, expected end, part of life or texts. No answer changes.',
    params: flagParams,
    conditional: true,
    body: updateFlagSchema,
    bodyExample: { lifecycle: 'live', ownerTeam: 'payments' },
    responses: { 200: { description: 'Changed.', schema: flagViewSchema, example: flagExample } },
    async handler(request, { execute }) {
      const { project, flag } = request.params;
      const context = request.command(projectStream(request.caller.tenant, project));
      const input = { project, flag, ...request.body, ...ifRevisionOf(request) };
      return answerOutcome(await updateFlag(execute, context, input), ({ state }) => {
        const view = flagView(project, state.flags.get(flag)!);
        return { status: 200, version: view.revision, body: view };
      });
    },
  }),
];
