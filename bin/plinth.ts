/** The command line. Each group of verbs is a file in `commands/`. */
import { Command } from 'commander';
import { VERSION } from '../infra/platform/api-server.ts';
import { addAdminCommands } from './commands/admin.ts';
import { addKeyCommands } from './commands/keys.ts';
import { addLogCommands } from './commands/log.ts';
import { addProjectionCommands } from './commands/projections.ts';
import { addRoleCommands } from './commands/start.ts';
import { addSubjectCommands } from './commands/subjects.ts';
import { addTenantCommands } from './commands/tenants.ts';
import { Failure, sentenceFor } from './failure.ts';

const program = new Command('plinth')
  .description('Platform services that can be rewound, replayed and proved.')
  .version(VERSION)
  // `--version` of a verb is not that of the program.
  .enablePositionalOptions()
  .showHelpAfterError('(--help shows what there is)');
addRoleCommands(program);
addKeyCommands(program);
addTenantCommands(program);
addSubjectCommands(program);
addProjectionCommands(program);
addLogCommands(program);
addAdminCommands(program);

try {
  await program.parseAsync();
} catch (error) {
  const sentence = sentenceFor(error);
  if (sentence === undefined) throw error;
  process.stderr.write(`plinth: ${sentence}\n`);
  process.exit(error instanceof Failure ? error.exitCode : 1);
}
