/**
 * A command that does something by itself and has verbs besides takes a verb that it does not know for an
 * argument too many: here it is told as every other unknown command, with what may have been meant.
 */
import type { Command } from 'commander';

/** What commander tells of a group that does nothing by itself; not in its types. */
interface TellsUnknown {
  unknownCommand(): never;
}

export function refuseUnknownVerbs(command: Command): void {
  for (const verb of command.commands) {
    refuseUnknownVerbs(verb);
    if (verb.commands.length === 0 || verb.registeredArguments.length > 0) continue;
    verb.allowExcessArguments();
    verb.hook('preAction', (_, acting) => {
      if (acting === verb && verb.args.length > 0) (verb as unknown as TellsUnknown).unknownCommand();
    });
  }
}
