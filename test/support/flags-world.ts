/** Flag commands over a log in memory: a project with two environments, and flags made as a test wants them. */

import { fold, type Outcome } from '../../commands/execute.ts';
import { addEnvironment } from '../../commands/flags/add-environment.ts';
import { changeFlag } from '../../commands/flags/change-flag.ts';
import { createFlag } from '../../commands/flags/create-flag.ts';
import { createProject } from '../../commands/flags/create-project.ts';
import {
  type EnvironmentState,
  evolveEnvironment,
  noEnvironment,
} from '../../commands/flags/environment-state.ts';
import type { ProjectState } from '../../commands/flags/project-state.ts';
import { spread, spreadOf } from '../../commands/flags/spread.ts';
import { HotFolds } from '../../commands/hot-folds.ts';
import { environmentStream, projectStream } from '../../commands/streams.ts';
import type { FlagEdit } from '../../schemas/commands/flags.ts';
import { type CreateFlag, createFlagSchema } from '../../schemas/commands/projects.ts';
import type { EnvironmentEvent } from '../../schemas/events/flags.ts';
import { keysWorld } from './keys-world.ts';

export const PROJECT = 'shop';

export async function flagsWorld() {
  const world = await keysWorld();
  const { tenant, context, log } = world;
  const deps = { ...world.deps, hotFolds: new HotFolds() };
  const at = (environment: string, key?: string) =>
    context(environmentStream(tenant, PROJECT, environment), key);
  const atProject = (key?: string) => context(projectStream(tenant, PROJECT), key);
  const done = <S>(outcome: Outcome<S>) => {
    if (outcome.kind === 'rejected')
      throw new Error(`${outcome.rejection.code}: ${outcome.rejection.detail}`);
    return outcome;
  };
  const spreadAll = (project: ProjectState) => spread(deps, spreadOf(atProject()), tenant, project, {});

  done(await createProject(deps, atProject(), { project: PROJECT, name: 'Shop' }));
  for (const environment of ['development', 'production']) {
    const input = { project: PROJECT, environment, name: null, approvalsRequired: 0 };
    await spreadAll(done(await addEnvironment(deps, atProject(), input)).state);
  }

  return {
    ...world,
    deps,
    at,
    atProject,
    done,
    /** Makes a flag and brings it to both environments. */
    async flag(flag: string, input: Partial<CreateFlag> = {}) {
      const full = { ...createFlagSchema.parse({ flag, ...input }), project: PROJECT };
      const { state } = done(await createFlag(deps, atProject(), full));
      await spreadAll(state);
      return state.flags.get(flag)!;
    },
    change(flag: string, edits: readonly FlagEdit[], environment = 'production') {
      const input = { project: PROJECT, environment, flag, edits: [...edits], reason: null };
      return changeFlag(deps, at(environment), input);
    },
    async environment(environment = 'production'): Promise<EnvironmentState> {
      const decider = { initial: noEnvironment, evolve: evolveEnvironment };
      const stream = environmentStream(tenant, PROJECT, environment);
      return (await fold<EnvironmentState, EnvironmentEvent>(deps, decider, stream)).state;
    },
    types: (environment = 'production') =>
      log.events
        .filter(({ stream }) => stream === environmentStream(tenant, PROJECT, environment))
        .map(({ type }) => type),
  };
}
