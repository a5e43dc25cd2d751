/** `plinth log copy` and `plinth log verify`: moving a log to another engine, and proving that it arrived. */
import type { Command } from 'commander';
import { compareLogs } from '../../infra/event-log/compare-logs.ts';
import { copyLog, describeDifference } from '../../infra/event-log/copy-log.ts';
import { type OpenedLog, openLog } from '../../infra/event-log/open-log.ts';
import { systemClock } from '../../infra/system-clock.ts';
import { Secret } from '../../schemas/secret.ts';
import { Failure } from '../failure.ts';
import { withEngines } from '../local.ts';
import { printJson, progressLine } from '../output.ts';

/** The log that the settings name. */
const HERE = 'settings';
const WHERE = `postgres://…, esdb://…, env:NAME for what is in that variable, or "${HERE}"`;

export function addCopyCommands(log: Command): void {
  const verb = (name: string, description: string) =>
    log
      .command(name)
      .description(description)
      .option('--from <log>', `the one: ${WHERE}`, HERE)
      .requiredOption('--to <log>', `the other: ${WHERE}`)
      .option('--json', 'print JSON');

  verb(
    'copy',
    'Copy a log into an empty one of any engine, or go on with a copy that was ended; everything but positions is kept',
  ).action((o) =>
    withLogs(o, async (from, to, signal) => {
      const line = progressLine('Copying, events');
      const copied = await copyLog({
        from: from.log,
        to: to.log,
        writer: to.writer,
        signal,
        onProgress: ({ checked, copied: done }) => line.update(checked + done, null),
      });
      line.end();
      if (o.json) return printJson(copied);
      const { checked, copied: done, epoch } = copied;
      console.log(
        `${done} events were copied and read back${checked > 0 ? `, ${checked} were there already` : ''}. The copy is in epoch ${epoch}.`,
      );
      console.log('To move there: stop everything, copy once more, set the log in the settings, then');
      console.log(
        '  plinth log restored                  what holds positions of the old log goes on or says so',
      );
      console.log('  plinth projections rebuild <name>    each that it names');
      console.log('  plinth relay restart                 if Kafka is used: a new generation of topics');
    }),
  );

  verb('verify', 'Compare two logs event by event and name the first difference').action((o) =>
    withLogs(o, async (from, to, signal) => {
      const line = progressLine('Comparing, events');
      const found = await compareLogs(from.log, to.log, {
        signal,
        onProgress: (events) => line.update(events, null),
      });
      line.end();
      const { events, difference } = found;
      const told = difference === null ? null : describeDifference(difference);
      if (o.json) printJson({ events, same: told === null, difference: told });
      else if (told === null) console.log(`The logs are the same: ${events} events.`);
      if (told !== null) throw new Failure(`The logs differ: after ${events} equal events, ${told}`);
    }),
  );
}

/** Opens both. The engines of the settings are opened only where they are asked for. */
async function withLogs(
  { from, to }: { readonly from: string; readonly to: string },
  work: (from: OpenedLog, to: OpenedLog, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  if (from === to) throw new Failure('--from and --to name the same log.');
  const opened: OpenedLog[] = [];
  const open = async (where: string, here: OpenedLog | null): Promise<OpenedLog> => {
    if (where === HERE && here) return here;
    const one = await openLog(urlOf(where), systemClock);
    opened.push(one);
    return one;
  };
  const run = async (here: OpenedLog | null, signal: AbortSignal) => {
    try {
      await work(await open(from, here), await open(to, here), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new Failure('Stopped. The same command goes on from here.', 130);
    } finally {
      for (const one of opened) await one.close().catch(() => {});
    }
  };
  if (from === HERE || to === HERE) {
    await withEngines(({ ownLog: log, logWriter: writer }, signal) =>
      run({ log, writer, close: async () => {} }, signal),
    );
    return;
  }
  const stop = new AbortController();
  const interrupted = () => stop.abort();
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    await run(null, stop.signal);
  } finally {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
  }
}

/** A password on a command line can be read by everyone on the machine: a variable cannot. */
function urlOf(where: string): Secret<string> {
  const url = where.startsWith('env:') ? process.env[where.slice(4)] : where;
  if (!url) throw new Failure(`${where} is not set.`);
  if (!/^(postgres(ql)?|esdb|kurrentdb)(\+discover)?:\/\//.test(url)) {
    throw new Failure(`${where.split(':')[0]}:… names no log: give ${WHERE}.`);
  }
  return new Secret(url);
}
