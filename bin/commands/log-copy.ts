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
import { type EngineNames, unreachable } from '../unreachable.ts';

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
      console.log(MOVING);
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

/** The steps of the operator's page: what the relay has not carried when it goes is in no topic. */
const MOVING = `To move there, stop api and scheduler; with Kafka, wait until nothing waits any more:
  plinth relay status
Then stop relay and projector, copy once more, set the log in the settings, and run
  plinth log restored                  what holds positions of the old log goes on or says so
  plinth projections rebuild <name>    each that it names
  plinth relay restart                 if Kafka is used: a new generation of topics`;

/** Opens both. The engines of the settings are opened only where they are asked for. */
async function withLogs(
  { from, to }: { readonly from: string; readonly to: string },
  work: (from: OpenedLog, to: OpenedLog, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  if (from === to) throw new Failure('--from and --to name the same log.');
  const opened: OpenedLog[] = [];
  const open = async (option: string, where: string, here: OpenedLog | null): Promise<OpenedLog> => {
    if (where === HERE && here) return here;
    const url = urlOf(where);
    try {
      const one = await openLog(url, systemClock);
      opened.push(one);
      return one;
    } catch (error) {
      throw told(error, { databaseSetting: option, logSetting: option });
    }
  };
  const run = async (here: OpenedLog | null, signal: AbortSignal) => {
    try {
      await work(await open('--from', from, here), await open('--to', to, here), signal);
    } catch (error) {
      if (!signal.aborted) {
        const either = (setting: string) =>
          [from === HERE ? setting : '--from', to === HERE ? setting : '--to'].join(' or ');
        throw told(error, {
          databaseSetting: either('DATABASE_URL'),
          logSetting: either('EVENT_LOG_URL'),
        });
      }
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

/** An engine that went away, by what may have named it. */
function told(error: unknown, names: EngineNames): unknown {
  const sentence = error instanceof Failure ? undefined : unreachable(error, names);
  return sentence === undefined ? error : new Failure(sentence, 1, { cause: error });
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
