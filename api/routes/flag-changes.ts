/** What is done to a flag in one environment. */
import type { z } from 'zod';
import type { CommandContext, Outcome } from '../../commands/execute.ts';
import { archiveFlag } from '../../commands/flags/archive-flag.ts';
import { changeFlag } from '../../commands/flags/change-flag.ts';
import { copyFlag } from '../../commands/flags/copy-flag.ts';
import type { EnvironmentState } from '../../commands/flags/environment-state.ts';
import { flagInEnvironmentView } from '../../commands/flags/flag-view.ts';
import { killFlag } from '../../commands/flags/kill-flag.ts';
import type { FlagDeps } from '../../commands/flags/project-command.ts';
import { rollbackFlag } from '../../commands/flags/rollback-flag.ts';
import { environmentStream } from '../../commands/streams.ts';
import { changeFlagSchema } from '../../schemas/commands/flags.ts';
import {
  copyFlagSchema,
  killFlagSchema,
  reasonOnlySchema,
  rollbackFlagSchema,
} from '../../schemas/commands/projects.ts';
import { MAX_EVENT_BYTES } from '../../schemas/envelope.ts';
import type { ErrorCode } from '../../schemas/errors.ts';
import { flagInEnvironmentViewSchema } from '../../schemas/views/flags.ts';
import { defineRoute } from '../services.ts';
import { answerOutcome } from './answer-outcome.ts';
import { flagInEnvironmentExample, rampExample } from './flag-examples.ts';
import { FLAG_IN_ENVIRONMENT, flagInEnvironmentParams, ifRevisionOf, writesFlags } from './flag-paths.ts';

interface Aim {
  readonly project: string;
  readonly environment: string;
  readonly flag: string;
  readonly ifRevision?: number;
}

interface Verb<B extends z.ZodType> {
  readonly verb: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly body: B;
  readonly bodyExample: unknown;
  readonly permission?: 'flags:kill';
  readonly problems?: readonly ErrorCode[];
  readonly maxBodyBytes?: number;
  give(
    deps: FlagDeps,
    context: CommandContext,
    aim: Aim,
    body: z.output<B>,
  ): Promise<Outcome<EnvironmentState>>;
}

/** Each answers with the flag as it left it. */
function changes<B extends z.ZodType>(verb: Verb<B>) {
  const { permission, problems = ['conflict', 'approval_required'], maxBodyBytes, give } = verb;
  return defineRoute({
    ...writesFlags,
    ...(permission && { access: { permission } }),
    method: 'POST',
    path: `${FLAG_IN_ENVIRONMENT}/${verb.verb}`,
    operationId: verb.operationId,
    summary: verb.summary,
    description: verb.description,
    params: flagInEnvironmentParams,
    conditional: permission === undefined,
    body: verb.body,
    ...(maxBodyBytes !== undefined && { maxBodyBytes }),
    bodyExample: verb.bodyExample,
    problems,
    responses: {
      200: {
        description: 'The flag in the environment.',
        schema: flagInEnvironmentViewSchema,
        example: flagInEnvironmentExample,
      },
    },
    async handler(request, { execute }) {
      const { params } = request;
      const context = request.command(
        environmentStream(request.caller.tenant, params.project, params.environment),
      );
      const aim = { ...params, ...ifRevisionOf(request) };
      return answerOutcome(await give(execute, context, aim, request.body as z.output<B>), ({ state }) => {
        const view = flagInEnvironmentView(params, state.flags.get(params.flag)!, state);
        return { status: 200, version: view.revision, body: view };
      });
    },
  });
}

const REASON = { reason: 'checkout fails in Safari' };
const setMode = (mode: 'on' | 'off') =>
  changes({
    verb: mode,
    operationId: mode === 'on' ? 'switchFlagOn' : 'switchFlagOff',
    summary: mode === 'on' ? 'Switch a flag on' : 'Switch a flag off',
    description:
      mode === 'on'
        ? 'Its targets, rules and rollout decide again; this is also what brings back a killed flag.'
        : 'Everybody gets its off variant.',
    body: reasonOnlySchema,
    bodyExample: { reason: null },
    give: (deps, context, aim, { reason }) =>
      changeFlag(deps, context, { ...aim, edits: [{ edit: 'set_mode', mode }], reason }),
  });
const setArchived = (archived: boolean) =>
  changes({
    verb: archived ? 'archive' : 'restore',
    operationId: archived ? 'archiveFlag' : 'restoreFlag',
    summary: archived ? 'Archive a flag in an environment' : 'Bring back an archived flag',
    description: archived
      ? 'Whoever still asks for it uses the default in the code. Refused while another flag requires it.'
      : 'It answers again as before.',
    body: reasonOnlySchema,
    bodyExample: { reason: null },
    give: (deps, context, aim, { reason }) => archiveFlag(deps, context, { ...aim, archived, reason }),
  });

export const flagChangeRoutes = [
  changes({
    verb: 'changes',
    operationId: 'changeFlag',
    summary: 'Change how a flag answers',
    description:
      'All edits in their order, or none. What an edit is about is one part of the flag: mode, targets, one rule, the order of rules, rollout, prerequisites, variants. A flag that could not be evaluated afterwards is refused.',
    body: changeFlagSchema,
    maxBodyBytes: MAX_EVENT_BYTES,
    bodyExample: rampExample,
    give: (deps, context, aim, body) => changeFlag(deps, context, { ...aim, ...body }),
  }),
  setMode('on'),
  setMode('off'),
  changes({
    verb: 'kill',
    operationId: 'killFlag',
    summary: 'Kill a flag',
    description:
      'Everybody gets its off variant, at once. Needs no approval; the reason is kept. `on` or a rollback brings it back.',
    permission: 'flags:kill',
    problems: ['conflict'],
    body: killFlagSchema,
    bodyExample: REASON,
    give: (deps, context, { ifRevision: _, ...aim }, { reason }) =>
      killFlag(deps, context, { ...aim, reason }),
  }),
  changes({
    verb: 'rollback',
    operationId: 'rollbackFlag',
    summary: 'Go back to a revision of a flag',
    description: 'It becomes what it was at that revision, as a new revision.',
    body: rollbackFlagSchema,
    bodyExample: { revision: 2, ...REASON },
    give: (deps, context, aim, body) => rollbackFlag(deps, context, { ...aim, ...body }),
  }),
  changes({
    verb: 'copy',
    operationId: 'copyFlag',
    summary: 'Make a flag what it is in another environment',
    description: 'Settings, variants and visibility. Who was dealt a variant keeps it: the seed is the same.',
    body: copyFlagSchema,
    bodyExample: { from: 'staging', reason: null },
    give: (deps, context, aim, body) => copyFlag(deps, context, { ...aim, ...body }),
  }),
  setArchived(true),
  setArchived(false),
];
