/** `plinth flags plan`, `apply`, `lint`, `export` and `import`: flags in a repository. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { parseFlagsFile } from '../../commands/flags/flags-file.ts';
import { flagsPlanText } from '../../commands/flags/flags-plan-text.ts';
import { lintFlags } from '../../commands/flags/lint-flags.ts';
import { type FlagsPlan, isEmptyPlan } from '../../commands/flags/plan-flags.ts';
import { printFlagsFile } from '../../commands/flags/print-flags-file.ts';
import type { FlagsFile } from '../../schemas/flags-file.ts';
import { Failure } from '../failure.ts';
import { applyPlan } from '../flags/apply-plan.ts';
import { type CurrentFlags, currentFlags, exportedFlags } from '../flags/current-flags.ts';
import { type FlagsApi, flagsApi } from '../flags/flags-api.ts';
import { importedFlags, importSources, withImported } from '../flags/imported-flags.ts';
import { planAgainst } from '../flags/plan-against.ts';
import { projectOf, takesEnvironment, takesProject } from '../flags/where.ts';
import { printJson, printTable } from '../output.ts';
import { settingsOf } from '../settings.ts';

/** Of `plan --exit-code`: there is something to do. */
const DIFFERENT = 2;
const MAX_IMPORTED_CHARACTERS = 64 * 1024 * 1024;
const note = (line: string) => void process.stderr.write(`${line}\n`);

export function addFlagsFileCommands(flags: Command): void {
  const verb = (name: string, description: string) =>
    flags.command(name).description(description).option('--json', 'print JSON');
  const ofFile = (name: string, description: string) =>
    verb(name, description).option('-f, --file <file>', 'the flags file, or - for standard input');

  ofFile('lint', 'Look for what is likely not meant in a flags file; asks nobody').action(async (o) => {
    const findings = lintFlags(readFlagsFile(o.file), { nowMs: Date.now() });
    await printTable(o, findings, {
      severity: (f) => f.severity,
      rule: (f) => f.rule,
      flag: (f) => f.flag,
      environment: (f) => f.environment,
      message: (f) => f.message,
    });
    if (findings.some(({ severity }) => severity === 'error')) process.exitCode = 1;
  });

  ofFile('plan', 'Tell what applying a flags file would change; changes nothing')
    .option('--remove', 'archive flags and remove segments that the file does not name')
    .option('--exit-code', `answer ${DIFFERENT} when there is something to do`)
    .action(async (o) => {
      const { plan } = await planned(flagsApi(), readFlagsFile(o.file), o);
      tell(o, plan);
      if (o.exitCode && !isEmptyPlan(plan)) process.exitCode = DIFFERENT;
    });

  ofFile('apply', 'Make a project what a flags file says; stops at the first command that fails')
    .option('--yes', 'do it')
    .option('--remove', 'archive flags and remove segments that the file does not name')
    .option('--reason <text>', 'kept with every change of an answer')
    .action(async (o) => {
      const api = flagsApi();
      const { current, plan } = await planned(api, readFlagsFile(o.file), o);
      tell(o, plan);
      if (isEmptyPlan(plan)) return;
      if (!o.yes) throw new Failure('Nothing was done: --yes does it.');
      await carryOut(api, current, plan, o.reason ?? null);
    });

  takesProject(verb('export', 'Print a project as a flags file')).action(async (o) => {
    const { file, notes } = exportedFlags(await currentFlags(flagsApi(), projectOf(o).project));
    for (const line of notes) note(line);
    if (o.json) return printJson(file);
    process.stdout.write(printFlagsFile(file));
  });

  takesEnvironment(verb('import <file>', 'Take flags over from flagd or Unleash: a plan, until --yes'))
    .addOption(new Option('--from <source>', 'whose file it is').choices(importSources))
    .option('--yes', 'do it')
    .option('--reason <text>', 'kept with every change of an answer')
    .action(async (path: string, o) => {
      const { project } = projectOf(o);
      if (!o.from) throw new Failure(`Say whose file it is: --from ${importSources.join(' or ')}.`);
      const environment = o.environment ?? settingsOf(process.env).environment;
      const imported = importedFlags(o.from, readJson(path), environment);
      const api = flagsApi();
      const current = await currentFlags(api, project);
      const whole = planAgainst(current, (file) => withImported(file, imported));
      const named = new Set(imported.environments.map((one) => one.environment));
      const plan = { ...whole, environments: whole.environments.filter((one) => named.has(one.environment)) };
      if (o.json) printJson({ findings: imported.findings, plan });
      else {
        await printTable({}, imported.findings, {
          flag: (f) => f.flag,
          environment: (f) => f.environment,
          what: (f) => f.what,
          message: (f) => f.message,
        });
        tell(o, plan);
      }
      if (isEmptyPlan(plan)) return;
      if (o.yes) await carryOut(api, current, plan, o.reason ?? null);
      else note('Nothing was done: --yes does it.');
    });
}

async function planned(api: FlagsApi, file: FlagsFile, { remove = false }: { readonly remove?: boolean }) {
  const current = await currentFlags(api, file.project);
  return { current, plan: planAgainst(current, () => file, { remove }) };
}

function tell({ json }: { readonly json?: boolean }, plan: FlagsPlan): void {
  if (json) printJson(plan);
  else process.stdout.write(flagsPlanText(plan));
}

async function carryOut(
  api: FlagsApi,
  current: CurrentFlags,
  plan: FlagsPlan,
  reason: string | null,
): Promise<void> {
  const done = await applyPlan(api, current, plan, { reason, say: note });
  note(`Done: ${done} ${done === 1 ? 'command' : 'commands'}.`);
}

function readFlagsFile(path: string | undefined): FlagsFile {
  if (path === undefined) throw new Failure('Name the flags file: -f flags.yaml, or - for standard input.');
  const { file, faults } = parseFlagsFile(readFileSync(path === '-' ? 0 : path, 'utf8'));
  if (file) return file;
  const lines = faults.map(
    ({ line, column, path: at, message }) =>
      `${path}:${line}:${column}: ${at === '' ? '' : `${at}: `}${message}`,
  );
  throw new Failure(`It is no flags file:\n${lines.join('\n')}`);
}

function readJson(path: string) {
  const text = readFileSync(path === '-' ? 0 : path, 'utf8');
  if (text.length > MAX_IMPORTED_CHARACTERS)
    throw new Failure(
      `${path} has more than ${MAX_IMPORTED_CHARACTERS} characters: take over a part at a time.`,
    );
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure(`${path} is no JSON.`);
  }
}
