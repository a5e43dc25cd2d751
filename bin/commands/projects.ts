/** `plinth projects …` and `plinth environments …`: over HTTP. */
import type { Command } from 'commander';
import { Failure } from '../failure.ts';
import { flagsApi } from '../flags/flags-api.ts';
import { projectOf, takesProject } from '../flags/where.ts';
import { printFields, printJson, printTable } from '../output.ts';
import { wholeNumber } from '../whole-number.ts';

export function addProjectCommands(program: Command): void {
  const projects = program.command('projects').description('Create and look at projects, which have flags');
  const verb = (name: string, description: string) =>
    projects.command(name).description(description).option('--json', 'print JSON');

  verb('create <project>', 'Create a project; its key is unique for ever')
    .option('--name <name>')
    .action(async (project: string, o) =>
      printFields(o, await flagsApi().createProject(project, o.name ?? null)),
    );
  verb('list', 'List projects, newest first').action(async (o) => {
    await printTable(o, flagsApi().listProjects(), {
      project: (p) => p.project,
      name: (p) => p.name,
      created: (p) => p.createdAt,
    });
  });
  verb('get <project>', 'Show a project with its environments').action(async (project: string, o) => {
    const found = await flagsApi().getProject(project);
    if (o.json) return printJson(found);
    printFields(o, { ...found, environments: found.environments.map(({ environment }) => environment) });
  });
}

export function addEnvironmentCommands(program: Command): void {
  const environments = program
    .command('environments')
    .description('Create and list environments of a project');
  const verb = (name: string, description: string) =>
    takesProject(environments.command(name).description(description).option('--json', 'print JSON'));

  verb('create <environment>', 'Create an environment; it has every flag of the project, off')
    .option('--name <name>')
    .option('--approvals <n>', 'of others that a change of its answers needs', wholeNumber(0, 5), 0)
    .action(async (environment: string, o) => {
      const body = { environment, name: o.name ?? null, approvalsRequired: o.approvals };
      printFields(o, await flagsApi().createEnvironment(projectOf(o).project, body));
    });
  verb('approvals <environment>', 'Say how many approvals of others a change of its answers needs')
    .option('--required <n>', '0 to 5', wholeNumber(0, 5))
    .action(async (environment: string, o) => {
      if (o.required === undefined) throw new Failure('Say how many: --required.');
      printFields(o, await flagsApi().setApprovals({ ...projectOf(o), environment }, o.required));
    });
  verb('list', 'List the environments of a project, oldest first').action(async (o) => {
    const { environments: found } = await flagsApi().getProject(projectOf(o).project);
    await printTable(o, found, {
      environment: (e) => e.environment,
      name: (e) => e.name,
      approvals: (e) => e.approvalsRequired,
      changed: (e) => e.changedAt,
    });
  });
}
