/** Makes a flag, off in every environment of its project. It gets into each in a second step (`spread.ts`). */
import { type CreateFlag, MAX_FLAGS_OF_PROJECT } from '../../schemas/commands/projects.ts';
import type { ProjectEvent } from '../../schemas/events/flags.ts';
import { mistyped, type Variants } from '../../schemas/flag-values.ts';
import type { JsonObject } from '../../schemas/json.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { flagAtBeginning } from './begin-environment.ts';
import { checkVariants, InvalidEdit } from './edit-flag.ts';
import { changeProject, type FlagDeps, noSuchProject } from './project-command.ts';
import type { FlagBeginning, ProjectState } from './project-state.ts';

const BOOLEAN: Variants = { on: true, off: false };

type Command = CreateFlag & { readonly seed: string };

export function decideCreateFlag(command: Command, project: ProjectState): Decision<ProjectEvent> {
  if (project.project === null) return noSuchProject;
  const { flag, name, description, kind, ownerTeam, ownerPerson, tags, expiresAt, permanent } = command;
  if (project.flags.has(flag)) {
    return reject({ code: 'already_exists', detail: 'The project has a flag of this key, archived or not.' });
  }
  if (project.flags.size >= MAX_FLAGS_OF_PROJECT) {
    return reject({ code: 'conflict', detail: `A project has at most ${MAX_FLAGS_OF_PROJECT} flags.` });
  }
  const beginning = beginningOf(command);
  if ('field' in beginning) {
    return reject({ code: 'invalid_request', detail: beginning.message, errors: [beginning] });
  }
  if (permanent && expiresAt !== null) {
    const message = 'a permanent flag has no end';
    return reject({ code: 'invalid_request', detail: message, errors: [{ field: 'expiresAt', message }] });
  }
  const details = { kind, ownerTeam, ownerPerson, tags, expiresAt, permanent };
  const data = { flag, name, description, ...details, ...(beginning as RecordedBeginning) };
  return { accept: [{ type: 'project.flag-created', data }] };
}

/** The fields of `FlagBeginning`, typed as the event's. */
type RecordedBeginning = Pick<
  Extract<ProjectEvent, { type: 'project.flag-created' }>['data'],
  keyof FlagBeginning
>;

function beginningOf(command: Command): FlagBeginning | { readonly field: string; readonly message: string } {
  const { type, seed, clientVisible } = command;
  if (command.variants === undefined && type !== 'boolean') {
    return { field: 'variants', message: `a flag of type ${type} needs its variants named` };
  }
  const variants = (command.variants ?? BOOLEAN) as Variants;
  const [odd] = mistyped(type, variants);
  if (odd !== undefined) {
    return { field: `variants.${odd}`, message: `a variant of this flag is of type ${type}` };
  }
  const names = Object.keys(variants);
  const valued = (value: boolean) => names.find((name) => variants[name] === value);
  const offVariant = command.offVariant ?? named(names, 'off') ?? valued(false);
  if (offVariant === undefined) {
    return { field: 'offVariant', message: 'say which variant is served while the flag is off' };
  }
  const onVariant =
    command.onVariant ?? named(names, 'on') ?? valued(true) ?? names.find((name) => name !== offVariant);
  const jsonSchema = command.jsonSchema as JsonObject | null;
  const beginning: FlagBeginning = {
    ...{ type, seed, bucketing: 'flagd-v2', variants, jsonSchema, clientVisible, offVariant },
    onVariant: onVariant ?? offVariant,
  };
  for (const field of ['offVariant', 'onVariant'] as const) {
    if (!Object.hasOwn(variants, beginning[field])) {
      return { field, message: `${beginning[field]} is none of the variants` };
    }
  }
  try {
    checkVariants(flagAtBeginning(beginning));
  } catch (error) {
    if (!(error instanceof InvalidEdit)) throw error;
    return { field: 'jsonSchema', message: error.message };
  }
  return beginning;
}

function named(names: readonly string[], name: string): string | undefined {
  return names.includes(name) ? name : undefined;
}

const SEED_BYTES = 8;

/** `context`: at the project's stream. */
export function createFlag(
  deps: FlagDeps,
  context: CommandContext,
  input: CreateFlag & { readonly project: string },
): Promise<Outcome<ProjectState>> {
  const { project, ...fields } = input;
  const seed = Buffer.from(deps.random.bytes(SEED_BYTES)).toString('hex');
  const command = () => ({ ...fields, seed });
  return changeProject(deps, { context, project, command, decide: decideCreateFlag });
}
