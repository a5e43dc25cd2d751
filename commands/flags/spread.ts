/**
 * Brings what a project has to its environments: each begins, and each has every flag. A project and its
 * environments are streams of their own, so this is a step of its own, which may be done again.
 */
import type { CommandId, StreamId, TenantId } from '../../schemas/envelope.ts';
import { PlinthError, type Rejection } from '../../schemas/errors.ts';
import type { CommandContext } from '../execute.ts';
import { uuidv5 } from '../ids.ts';
import { environmentStream } from '../streams.ts';
import { beginEnvironment } from './begin-environment.ts';
import type { FlagDeps } from './project-command.ts';
import type { ProjectFlag, ProjectState } from './project-state.ts';

/** Of one append, which the log bounds in bytes too. */
const MAX_FLAGS_AT_ONCE = 100;
const MAX_CHARACTERS_AT_ONCE = 200_000;

export interface SpreadResult {
  readonly environment: string;
  /** Null: it is done. */
  readonly rejection: Rejection | null;
}

/** The context of the command at a stream; the same `index`, the same command. */
export type SpreadContext = (target: StreamId, index: number) => CommandContext;

/** Of a command that a request asked for. */
export function spreadOf(context: CommandContext): SpreadContext {
  return (target, index) => ({
    ...context,
    commandId: uuidv5('spread', context.commandId, target, String(index)) as CommandId,
  });
}

/** @param what the environments and flags to be brought together; left out: all */
export async function spread(
  deps: FlagDeps,
  contextOf: SpreadContext,
  tenant: TenantId,
  project: ProjectState,
  what: { readonly environments?: readonly string[]; readonly flags?: readonly string[] },
): Promise<readonly SpreadResult[]> {
  const environments = what.environments ?? [...project.environments.keys()].sort();
  const keys = what.flags ?? [...project.flags.keys()].sort();
  const flags = keys.flatMap((key) => project.flags.get(key) ?? []);
  const results: SpreadResult[] = [];
  for (const environment of environments) {
    results.push({
      environment,
      rejection: await begin(deps, contextOf, tenant, project, environment, flags),
    });
  }
  return results;
}

async function begin(
  deps: FlagDeps,
  contextOf: SpreadContext,
  tenant: TenantId,
  { project, environments }: ProjectState,
  environment: string,
  flags: readonly ProjectFlag[],
): Promise<Rejection | null> {
  const approvalsRequired = environments.get(environment) ?? 0;
  for (const [index, some] of portionsOf(flags).entries()) {
    const context = contextOf(environmentStream(tenant, project!, environment), index);
    const command = { project: project!, environment, approvalsRequired, flags: some };
    const outcome = await beginEnvironment(deps, context, command).catch(whereParked);
    if (outcome.kind === 'rejected') return outcome.rejection;
  }
  return null;
}

/** One environment that waits for an operator is no reason to leave the others out. */
function whereParked(error: unknown): { readonly kind: 'rejected'; readonly rejection: Rejection } {
  if (!(error instanceof PlinthError) || error.rejection.code !== 'stream_parked') throw error;
  return { kind: 'rejected', rejection: error.rejection };
}

/** At least one, for an environment without flags begins too. */
function portionsOf(flags: readonly ProjectFlag[]): readonly (readonly ProjectFlag[])[] {
  const portions: ProjectFlag[][] = [[]];
  let characters = 0;
  for (const flag of flags) {
    const { length } = JSON.stringify(flag.beginning);
    const last = portions.at(-1)!;
    const isFull = last.length >= MAX_FLAGS_AT_ONCE || characters + length > MAX_CHARACTERS_AT_ONCE;
    if (isFull && last.length > 0) {
      portions.push([flag]);
      characters = length;
    } else {
      last.push(flag);
      characters += length;
    }
  }
  return portions;
}
