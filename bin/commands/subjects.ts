/** `plinth subjects …`: over HTTP, with a key that may erase. */
import type { Command } from 'commander';
import { printFields } from '../output.ts';
import { remoteClient } from '../remote.ts';

export function addSubjectCommands(program: Command): void {
  const subjects = program
    .command('subjects')
    .description('Erase what is known of a person, and see whether it is')
    .addHelpText(
      'after',
      `
A subject is the owner id of the person. Their keys stay as they are; revoke them first:
  $ plinth keys revoke --owner customer-42 --reason "asked to be forgotten"
  $ plinth subjects erase customer-42`,
    );
  const verb = (name: string, description: string) =>
    subjects.command(name).description(description).option('--json', 'print JSON');

  verb('erase <subject>', 'Make their names, metadata and reasons unreadable for good; takes about 6 s')
    .option('--idempotency-key <key>', 'repeat it to retry')
    .action(async (subject: string, o) =>
      printFields(
        o,
        await remoteClient().eraseSubject(
          subject,
          o.idempotencyKey ? { idempotencyKey: o.idempotencyKey } : {},
        ),
      ),
    );
  verb('get <subject>', 'Whether and when they were erased').action(async (subject: string, o) => {
    const { erasedAt, ...rest } = await remoteClient().getSubject(subject);
    printFields(o, o.json ? { erasedAt, ...rest } : { ...rest, erasedAt: erasedAt ?? 'never' });
  });
}
