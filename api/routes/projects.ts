/** Projects and their environments. */
import { z } from 'zod';
import { addEnvironment } from '../../commands/flags/add-environment.ts';
import { createProject, renameProject } from '../../commands/flags/create-project.ts';
import { environmentView, projectView } from '../../commands/flags/flag-view.ts';
import { setApprovals } from '../../commands/flags/set-approvals.ts';
import { spread, spreadOf } from '../../commands/flags/spread.ts';
import { environmentStream, projectStream } from '../../commands/streams.ts';
import type { EnvironmentRow } from '../../projections/flags/environment-rows.ts';
import {
  environmentThing,
  PROJECT_THING,
  type Texts,
  textsOf,
} from '../../projections/flags/flag-texts-projection.ts';
import { getProject, listEnvironments, listProjects } from '../../projections/flags/queries.ts';
import {
  changeEnvironmentSchema,
  createEnvironmentSchema,
  createProjectSchema,
  renameProjectSchema,
} from '../../schemas/commands/projects.ts';
import { slugSchema } from '../../schemas/values.ts';
import { environmentViewSchema, projectViewSchema, stepResultSchema } from '../../schemas/views/flags.ts';
import { defineRoute } from '../services.ts';
import { answerOutcome, briefly, refusal } from './answer-outcome.ts';
import { environmentExample, projectExample } from './flag-examples.ts';
import {
  ENVIRONMENT,
  ENVIRONMENTS,
  environmentParams,
  noSuch,
  PROJECT,
  PROJECTS,
  projectParams,
  readFlags,
  writesProjects,
} from './flag-paths.ts';
import { nextCursorSchema, pageQuery, pagerOf } from './paging.ts';

const reads = { tag: 'Projects', access: { permission: 'flags:read' }, readsYourWrites: true } as const;
const name = z.string().nullable().meta({ description: 'As people call it.' });
const namedProjectSchema = projectViewSchema.extend({ name });
const namedEnvironmentSchema = environmentViewSchema.extend({ name });
const named = { ...projectExample, name: 'Shop' };
const namedEnvironment = { ...environmentExample, name: 'Production' };
const changedSchema = z.strictObject({ project: slugSchema, version: z.int() });

function environmentOf(row: EnvironmentRow, { name }: Texts) {
  const { project, environment, approvals_required, version, changed_at_ms } = row;
  const state = { approvalsRequired: Number(approvals_required), version: Number(version) };
  return { ...environmentView({ project, environment }, state, Number(changed_at_ms)), name };
}

export const projectRoutes = [
  defineRoute({
    ...writesProjects,
    method: 'POST',
    path: PROJECTS,
    operationId: 'createProject',
    summary: 'Create a project',
    description: 'Its key is unique in the tenant, for ever. Add its environments next.',
    body: createProjectSchema,
    bodyExample: { project: 'blog', name: 'Blog' },
    problems: ['already_exists'],
    responses: {
      201: { description: 'Created.', schema: changedSchema, example: { project: 'blog', version: 1 } },
    },
    async handler(request, { execute }) {
      const { project } = request.body;
      const context = request.command(projectStream(request.caller.tenant, project));
      return answerOutcome(await createProject(execute, context, request.body), ({ version }) => ({
        status: 201,
        body: { project, version },
      }));
    },
  }),
  defineRoute({
    ...reads,
    method: 'GET',
    path: PROJECTS,
    operationId: 'listProjects',
    summary: 'List projects',
    description: 'Newest first.',
    query: z.strictObject(pageQuery),
    problems: ['invalid_cursor'],
    responses: {
      200: {
        description: 'A page of projects.',
        schema: z.strictObject({ projects: z.array(namedProjectSchema), nextCursor: nextCursorSchema }),
        example: { projects: [named], nextCursor: null },
      },
    },
    async handler(request, services) {
      const { tenant } = request.caller;
      const pager = pagerOf(services, tenant, 'projects', request.query);
      const { result, stamp } = await readFlags(services, request, async (tx, flags, texts) => {
        const page = await listProjects(tx, flags, tenant, pager.page);
        const projects = [];
        for (const { stream, project, version, created_at_ms } of page.items) {
          const { name } = (await textsOf(tx, texts, stream, [PROJECT_THING]))(PROJECT_THING);
          projects.push({ ...projectView(project, Number(version), Number(created_at_ms)), name });
        }
        return { projects, nextCursor: pager.next(page) };
      });
      return { status: 200, position: stamp.position, body: result };
    },
  }),
  defineRoute({
    ...reads,
    method: 'GET',
    path: PROJECT,
    operationId: 'getProject',
    summary: 'Get a project',
    description: 'With its environments, oldest first.',
    params: projectParams,
    responses: {
      200: {
        description: 'The project.',
        schema: namedProjectSchema.extend({ environments: z.array(namedEnvironmentSchema) }),
        example: { ...named, environments: [namedEnvironment] },
      },
    },
    async handler(request, services) {
      const { tenant } = request.caller;
      const { result, stamp } = await readFlags(services, request, async (tx, flags, texts) => {
        const row = await getProject(tx, flags, tenant, request.params.project);
        if (row === null) return null;
        const environments = await listEnvironments(tx, flags, tenant, row.project);
        const things = [PROJECT_THING, ...environments.map((one) => environmentThing(one.environment))];
        const textOf = await textsOf(tx, texts, row.stream, things);
        return {
          ...projectView(row.project, Number(row.version), Number(row.created_at_ms)),
          name: textOf(PROJECT_THING).name,
          environments: environments.map((one) =>
            environmentOf(one, textOf(environmentThing(one.environment))),
          ),
        };
      });
      if (result === null) throw noSuch('project');
      return { status: 200, position: stamp.position, body: result };
    },
  }),
  defineRoute({
    ...writesProjects,
    method: 'PATCH',
    path: PROJECT,
    operationId: 'renameProject',
    summary: 'Rename a project',
    description: 'Its key stays.',
    params: projectParams,
    body: renameProjectSchema,
    bodyExample: { name: 'Web shop' },
    responses: {
      200: { description: 'Renamed.', schema: changedSchema, example: { project: 'shop', version: 2 } },
    },
    async handler(request, { execute }) {
      const { project } = request.params;
      const context = request.command(projectStream(request.caller.tenant, project));
      const outcome = await renameProject(execute, context, { project, ...request.body });
      return answerOutcome(outcome, ({ version }) => ({ status: 200, body: { project, version } }));
    },
  }),
  defineRoute({
    ...writesProjects,
    method: 'POST',
    path: ENVIRONMENTS,
    operationId: 'createEnvironment',
    summary: 'Create an environment',
    description: 'It has every flag of the project, off.',
    params: projectParams,
    body: createEnvironmentSchema,
    bodyExample: { environment: 'preview', name: 'Preview', approvalsRequired: 0 },
    problems: ['already_exists', 'conflict'],
    responses: {
      201: {
        description: 'Created. A `problem` tells why it has not all flags yet; that is done again by itself.',
        schema: stepResultSchema.extend({ project: slugSchema, approvalsRequired: z.int() }),
        example: { project: 'shop', environment: 'preview', approvalsRequired: 0, problem: null },
      },
    },
    async handler(request, { execute }) {
      const { project } = request.params;
      const { environment } = request.body;
      const { tenant } = request.caller;
      const context = request.command(projectStream(tenant, project));
      const outcome = await addEnvironment(execute, context, { ...request.body, project });
      if (outcome.kind === 'rejected') throw refusal(outcome.rejection);
      const [step] = await spread(execute, spreadOf(context), tenant, outcome.state, {
        environments: [environment],
      });
      const problem = step!.rejection && briefly(step!.rejection);
      const approvalsRequired = outcome.state.environments.get(environment)!;
      return {
        status: 201,
        position: outcome.position,
        replayed: outcome.replayed,
        body: { project, environment, approvalsRequired, problem },
      };
    },
  }),
  defineRoute({
    ...writesProjects,
    method: 'PATCH',
    path: ENVIRONMENT,
    operationId: 'changeEnvironment',
    summary: 'Change how many approvals an environment asks for',
    description:
      'Needs none itself: whoever holds `projects:write` decides about approvals. The log tells of it.',
    params: environmentParams,
    body: changeEnvironmentSchema,
    bodyExample: { approvalsRequired: 0 },
    responses: {
      200: { description: 'Changed.', schema: environmentViewSchema, example: environmentExample },
    },
    async handler(request, { execute, clock }) {
      const { params } = request;
      const stream = environmentStream(request.caller.tenant, params.project, params.environment);
      const input = { ...params, ...request.body };
      return answerOutcome(await setApprovals(execute, request.command(stream), input), ({ state }) => ({
        status: 200,
        body: environmentView(params, state, clock.now()),
      }));
    },
  }),
];
