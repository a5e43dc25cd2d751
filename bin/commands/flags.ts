/** `plinth flags …`: what is done to one flag, over HTTP. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CreateFlag } from '../../schemas/commands/projects.ts';
import { flagKindSchema, lifecycles } from '../../schemas/flag-values.ts';
import type { EnvironmentFlagView } from '../../schemas/views/flags.ts';
import { Failure } from '../failure.ts';
import { type FlagVerb, flagsApi } from '../flags/flags-api.ts';
import { exposureOf, rampEdits } from '../flags/ramp-edits.ts';
import { environmentOf, projectOf, takesEnvironment, takesProject } from '../flags/where.ts';
import { parseJson } from '../json-option.ts';
import { printFields, printJson, printTable } from '../output.ts';
import { settingsOf } from '../settings.ts';
import { wholeNumber } from '../whole-number.ts';
import { addFlagsFileCommands } from './flags-file.ts';

const MAX_LISTED_FLAGS = 5_000;

interface Json {
  readonly json?: boolean;
}

export function addFlagCommands(program: Command): void {
  const flags = program
    .command('flags')
    .description('Create, switch, ramp, kill, explain and plan feature flags')
    .addHelpText(
      'after',
      `
Examples:
  $ plinth flags create new-checkout --project shop
  $ plinth flags ramp new-checkout --project shop --environment production --percent 25
  $ plinth flags kill new-checkout --project shop --environment production --reason "checkout fails"
  $ plinth flags plan -f flags.yaml`,
    );
  const verb = (name: string, description: string) =>
    flags.command(name).description(description).option('--json', 'print JSON');
  const inProject = (name: string, description: string) => takesProject(verb(name, description));
  const inEnvironment = (name: string, description: string) => takesEnvironment(verb(name, description));

  takesDetails(inProject('create <flag>', 'Create a flag, off everywhere; boolean unless you say otherwise'))
    .addOption(new Option('--type <type>').choices(['boolean', 'string', 'number', 'json']))
    .option('--variants <json>', 'names and values, e.g. \'{"off":"","on":"stripe"}\'', parseJson)
    .option('--off-variant <name>', 'for who is not let in')
    .option('--on-variant <name>', 'for everybody once it is on')
    .option('--json-schema <json>', 'what every variant of a json flag fits', parseJson)
    .option('--client-visible', 'keys of browsers and apps see it')
    .action(async (flag: string, o) => {
      const { tag: tags, project, json, ...said } = o;
      const body = { flag, ...said, ...(tags && { tags }) } as CreateFlag;
      const { environments, ...created } = await flagsApi().createFlag(projectOf({ project }).project, body);
      if (json) return printJson({ ...created, environments });
      const names = environments.map(({ environment, problem }) =>
        problem ? `${environment} (not yet: ${problem.detail})` : environment,
      );
      printFields(o, { ...created, environments: names });
    });

  takesDetails(inProject('describe <flag>', 'Change what people know of a flag; no answer changes'))
    .addOption(new Option('--lifecycle <lifecycle>').choices(lifecycles))
    .action(async (flag: string, o) => {
      const { tag: tags, project, json, ...said } = o;
      const at = projectOf({ project });
      const body = { ...said, ...(tags && { tags }) };
      if (Object.keys(body).length === 0) throw new Failure('Say what is to change, such as --lifecycle.');
      printFields({ json }, await flagsApi().updateFlag(at, flag, body));
    });

  inProject('list', 'List flags with what they are in each environment, newest first')
    .option('--lifecycle <lifecycle>', 'draft, live, rolled-out, cleanup or archived')
    .option('--search <text>', 'start of the key')
    .option('--max <n>', 'at most so many', wholeNumber(1, MAX_LISTED_FLAGS), 100)
    .action(async (o) => {
      const filter = { ...(o.lifecycle && { lifecycle: o.lifecycle }), ...(o.search && { q: o.search }) };
      await printTable(
        o,
        flagsApi().listFlags(projectOf(o), filter),
        {
          flag: (f) => f.flag,
          type: (f) => f.type,
          lifecycle: (f) => f.lifecycle,
          owner: (f) => f.ownerTeam ?? f.ownerPerson,
          environments: (f) =>
            f.environments.map((e) => `${e.environment} ${e.archived ? 'archived' : e.mode}`),
        },
        o.max,
      );
    });

  inEnvironment('get <flag>', 'Show a flag: in an environment, or what is known of it in all').action(
    async (flag: string, o) => {
      if (o.environment || settingsOf(process.env).environment) {
        return printFlag(o, await flagsApi().getFlagInEnvironment(environmentOf(o), flag));
      }
      const { environments, ...found } = await flagsApi().getFlag(projectOf(o), flag);
      if (o.json) return printJson({ ...found, environments });
      const modes = environments.map((e) => `${e.environment} ${e.archived ? 'archived' : e.mode}`);
      printFields(o, { ...found, environments: modes });
    },
  );

  const acts = (name: string, description: string, does: FlagVerb) =>
    inEnvironment(name, description)
      .option('--reason <text>')
      .action(async (flag: string, o) =>
        printFlag(o, await flagsApi().act(environmentOf(o), flag, does, { reason: o.reason ?? null })),
      );
  acts('on <flag>', 'Switch a flag on; this also brings back a killed one', 'on');
  acts('off <flag>', 'Switch a flag off: everybody gets its off variant', 'off');
  acts('archive <flag>', 'Archive a flag: the default in the code counts', 'archive');
  acts('restore <flag>', 'Bring back an archived flag', 'restore');

  inEnvironment('kill <flag>', 'Everybody gets the off variant, at once, whatever approvals are needed')
    .option('--reason <text>', 'is kept, and must be said')
    .action(async (flag: string, o) => {
      const at = environmentOf(o);
      if (!o.reason) throw new Failure('Say why: --reason.');
      printFlag(o, await flagsApi().act(at, flag, 'kill', { reason: o.reason }));
    });

  inEnvironment('ramp <flag>', 'Serve a variant to a share of all for whom no rule holds')
    .option('--percent <n>', '0 to 100, with up to three decimals', exposure)
    .option('--by <attribute>', 'whose value decides; targetingKey unless another does already')
    .option('--variant <name>', 'what they get; the one there is besides the off variant')
    .option('--reason <text>')
    .action(async (flag: string, o) => {
      const at = environmentOf(o);
      if (o.percent === undefined) throw new Failure('Say how many: --percent.');
      const api = flagsApi();
      const found = await api.getFlagInEnvironment(at, flag);
      const { percent, by, variant } = o;
      const edits = rampEdits(found, {
        exposure: percent,
        ...(by && { by }),
        ...(variant && { variant }),
      });
      const body = { edits, reason: o.reason ?? null };
      printFlag(o, await api.act(at, flag, 'changes', body, { ifVersion: found.revision }));
    });

  inEnvironment('rollback <flag>', 'Make a flag what it was at a revision, as a new revision')
    .option('--to <revision>', '`history` tells them', wholeNumber(1, 1_000_000_000))
    .option('--reason <text>')
    .action(async (flag: string, o) => {
      const at = environmentOf(o);
      if (o.to === undefined) throw new Failure('Say which revision: --to.');
      const body = { revision: o.to, reason: o.reason ?? null };
      printFlag(o, await flagsApi().act(at, flag, 'rollback', body));
    });

  inEnvironment('copy <flag>', 'Make a flag in an environment what it is in another')
    .option('--from <environment>', 'the other environment')
    .option('--reason <text>')
    .action(async (flag: string, o) => {
      const at = environmentOf(o);
      if (!o.from) throw new Failure('Say from which environment: --from.');
      const body = { from: o.from, reason: o.reason ?? null };
      printFlag(o, await flagsApi().act(at, flag, 'copy', body));
    });

  inEnvironment('history <flag>', 'What happened to a flag in an environment, oldest first').action(
    async (flag: string, o) => {
      await printTable(o, flagsApi().history(environmentOf(o), flag), {
        revision: (c) => c.revision,
        at: (c) => c.at,
        change: (c) => c.type,
        actor: (c) => c.actor,
        reason: (c) => c.reason,
        fields: (c) =>
          c.changes.map((f) => `${f.field}: ${JSON.stringify(f.before)} → ${JSON.stringify(f.after)}`),
      });
    },
  );

  inEnvironment('explain <flag>', 'What a context gets of a flag and why, now or as of a moment')
    .option('--key <targetingKey>', 'whom it is about')
    .option('--context <json>', 'other attributes, as a JSON object', parseJson)
    .option('--as-of <time>', 'RFC 3339, or a position')
    .action(async (flag: string, o) => {
      const context = { ...o.context, ...(o.key && { targetingKey: o.key }) };
      const told = await flagsApi().explain(environmentOf(o), flag, {
        context,
        ...(o.asOf && { asOf: o.asOf }),
      });
      if (o.json) return printJson(told);
      const { value, variant, reason, trace, bucket, ...rest } = told;
      const served = value === undefined ? 'the default in the code' : JSON.stringify(value);
      console.log(`${served}${variant === undefined ? '' : ` (${variant})`}: ${reason} at ${rest.at}`);
      for (const { part, id, holds } of trace)
        console.log(`  ${holds ? 'holds ' : 'passed'}  ${part}${id === null ? '' : ` ${id}`}`);
      if (bucket?.gate)
        console.log(`  ${bucket.by} lies at ${bucket.gate.bucket}, let in is below ${bucket.gate.exposure}`);
      printFields(o, rest);
    });

  addFlagsFileCommands(flags);
}

/** What people know of a flag. */
function takesDetails(command: Command): Command {
  return command
    .option('--name <name>')
    .option('--description <text>')
    .addOption(new Option('--kind <kind>').choices(flagKindSchema.options))
    .option('--tag <tag...>')
    .option('--owner-team <id>')
    .option('--owner-person <id>')
    .option('--expires-at <time>', 'when it should be gone, RFC 3339')
    .option('--permanent', 'it has no end');
}

function exposure(text: string): number {
  const found = exposureOf(text);
  if (found === null)
    throw new InvalidArgumentError('It must be a number from 0 to 100, with up to three decimals.');
  return found;
}

function printFlag(options: Json, flag: EnvironmentFlagView): void {
  if (options.json) {
    printJson(flag);
    return;
  }
  const { seed: _, bucketing: _bucketing, archived, ...fields } = flag;
  printFields(options, { ...fields, ...(archived && { archived }) });
}
