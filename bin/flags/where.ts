/** Which project and environment a verb is about: an option says it, or a setting. */
import type { Command } from 'commander';
import { Failure } from '../failure.ts';
import { settingsOf } from '../settings.ts';
import type { InEnvironment, InProject } from './flags-api.ts';

interface Said {
  readonly project?: string;
  readonly environment?: string;
}

export function takesProject(command: Command): Command {
  return command.option('--project <key>', 'key of the project; else PLINTH_PROJECT');
}

export function takesEnvironment(command: Command): Command {
  return takesProject(command).option(
    '--environment <key>',
    'key of the environment; else PLINTH_ENVIRONMENT',
  );
}

export function projectOf({ project }: Said): InProject {
  const found = project ?? settingsOf(process.env).project;
  if (!found) throw new Failure('Name the project: --project, or PLINTH_PROJECT.');
  return { project: found };
}

export function environmentOf(said: Said): InEnvironment {
  const found = said.environment ?? settingsOf(process.env).environment;
  const at = projectOf(said);
  if (!found) throw new Failure('Name the environment: --environment, or PLINTH_ENVIRONMENT.');
  return { ...at, environment: found };
}
