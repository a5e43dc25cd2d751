/** The command line. Each group of verbs is a file in `commands/`. */
import { Command } from 'commander';
import { VERSION } from '../infra/platform/version.ts';
import { addKeyCommands } from './commands/keys.ts';
import { addEnvironmentCommands, addProjectCommands } from './commands/projects.ts';
import { addSubjectCommands } from './commands/subjects.ts';
import { addTenantCommands } from './commands/tenants.ts';
import { Failure, sentenceFor } from './failure.ts';
import { refuseUnknownVerbs } from './unknown-verbs.ts';

const program = new Command('plinth')
  .description('Platform services that can be rewound, replayed and proved.')
  .version(VERSION)
  // `--version` of a verb is not that of the program.
  .enablePositionalOptions()
  .showHelpAfterError('(--help shows what there is)');
const REMOTE = ['keys', 'tenants', 'subjects', 'projects', 'environments'];
// Verbs that go over HTTP do without the platform, whose loading takes longer than they do.
if (process.argv[2] === 'flags') {
  await addFlagVerbs();
} else if (REMOTE.includes(process.argv[2] ?? '')) {
  addRemoteCommands();
} else {
  const [{ addRoleCommands }, { addProjectionCommands }, { addLogCommands }, { addAdminCommands }] =
    await Promise.all([
      import('./commands/start.ts'),
      import('./commands/projections.ts'),
      import('./commands/log.ts'),
      import('./commands/admin.ts'),
    ]);
  addRoleCommands(program);
  addRemoteCommands();
  await addFlagVerbs();
  addProjectionCommands(program);
  addLogCommands(program);
  addAdminCommands(program);
}
refuseUnknownVerbs(program);

function addRemoteCommands(): void {
  addKeyCommands(program);
  addTenantCommands(program);
  addSubjectCommands(program);
  addProjectCommands(program);
  addEnvironmentCommands(program);
}

/** With them comes what reads and plans flags files. */
async function addFlagVerbs(): Promise<void> {
  const { addFlagCommands } = await import('./commands/flags.ts');
  addFlagCommands(program);
}

try {
  await program.parseAsync();
} catch (error) {
  const sentence = sentenceFor(error);
  if (sentence === undefined) throw error;
  process.stderr.write(`plinth: ${sentence}\n`);
  process.exit(error instanceof Failure ? error.exitCode : 1);
}
