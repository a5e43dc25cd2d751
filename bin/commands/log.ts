/** `plinth log …`: the event log itself: look, count, back up, bring back. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Command } from 'commander';
import { adoptReactor } from '../../commands/reactor.ts';
import { readBackupHeader } from '../../infra/event-log/backup-file.ts';
import {
  checkKeyBackup,
  checkKeyring,
  exportKeys,
  importKeys,
  isEmpty,
} from '../../infra/event-log/key-backup.ts';
import { exportLog, holdsBackup, importLog, type LogBackupHeader } from '../../infra/event-log/log-backup.ts';
import { logStatistics } from '../../infra/event-log/log-statistics.ts';
import { reactorNames } from '../../infra/platform/background.ts';
import type { Engines } from '../../infra/platform/engines.ts';
import { postgresDataKeysBackup } from '../../infra/postgres/data-keys-backup.ts';
import type { Pool } from '../../infra/postgres/pool.ts';
import { postgresReactorCheckpoints } from '../../infra/postgres/reactor-checkpoints.ts';
import { adoptEpoch } from '../../projections/adopt-epoch.ts';
import { type Epoch, type Position, parsePositionToken, START } from '../../schemas/envelope.ts';
import { eventLine } from '../event-lines.ts';
import { Failure } from '../failure.ts';
import { withEngines } from '../local.ts';
import { printFields, printJson, progressLine } from '../output.ts';
import { wholeNumber } from '../whole-number.ts';
import { addCopyCommands } from './log-copy.ts';

const TAIL_BATCH_EVENTS = 100;
/** They are held at once; `--after` reads as many as there are. */
const MAX_NEWEST_EVENTS = 10_000;
const MAX_ADOPTIONS = 5;

export function addLogCommands(program: Command): void {
  const log = program.command('log').description('Look at the event log, back it up and bring it back');
  const verb = (name: string, description: string) =>
    log.command(name).description(description).option('--json', 'print JSON');

  verb('tail', 'Print events, newest last; personal fields in the clear')
    .option('--count <n>', 'how many of the newest', wholeNumber(1, MAX_NEWEST_EVENTS), 20)
    .option('--after <position>', 'all after this position instead')
    .option('--follow', 'go on as events come')
    .action((o) => withEngines((engines, signal) => tail(engines, signal, o), { personal: true }));

  verb('stats', 'Count events, streams and bytes').action((o) =>
    withEngines(async (engines) => {
      const stats = await logStatistics(inPostgres(engines));
      if (o.json) return printJson(stats);
      printFields({}, stats);
    }),
  );

  verb(
    'restored',
    'After the log was restored from a backup or copied: begin a new epoch, so that nothing goes on from a history that is gone',
  ).action((o) =>
    withEngines(async (engines) => {
      const epoch = await engines.ownLog.mintEpoch();
      await engines.dataKeys.restart(epoch);
      const names = [...new Set((await engines.store.revisions()).map((r) => r.projection))];
      const outcomes = [];
      for (const projection of names) {
        const adopted = await adoptEpoch(engines.store, engines.log, projection);
        outcomes.push({
          projection,
          goesOn: adopted.ok,
          next: adopted.ok ? null : `plinth projections rebuild ${projection}`,
        });
      }
      const checkpoints = await postgresReactorCheckpoints(engines.pool);
      const reactors = [];
      for (const reactor of reactorNames) {
        const deps = { checkpoints, log: engines.log };
        // It moves under a running process only while that has not noticed the new epoch.
        let adopted = false;
        for (let tries = 0; !adopted && tries < MAX_ADOPTIONS; tries++)
          adopted = await adoptReactor(deps, reactor);
        reactors.push({ reactor, goesOn: adopted });
      }
      if (o.json) return printJson({ epoch, projections: outcomes, reactors });
      console.log(`The log is in epoch ${epoch}. Positions and cursors of before answer 410.`);
      for (const outcome of outcomes) {
        console.log(
          outcome.goesOn
            ? `  ${outcome.projection} goes on: the log holds all that it has applied.`
            : `  ${outcome.projection} stands at an event that this log does not hold there (lost, or copied to another position): run ${outcome.next}`,
        );
      }
      for (const { reactor, goesOn } of reactors) {
        console.log(
          goesOn
            ? `  ${reactor} goes on; what it did before, it does not do again.`
            : `  ${reactor} moved while it was looked at: stop every process and run plinth log restored again`,
        );
      }
      console.log(
        'Processes that halted go on by themselves once that is done; with Kafka, run plinth relay restart.',
      );
    }),
  );

  verb('export <file>', 'Write the log to a file and the wrapped data keys to another')
    .requiredOption('--keys <file>', 'where the wrapped data keys go; useless without the master key')
    .action((file: string, o) =>
      withEngines(async (engines) => {
        const { ownLog, keyPool, keyring } = engines;
        const pool = inPostgres(engines);
        for (const path of [file, o.keys]) await mustNotExist(path);
        const line = progressLine('Exporting, events');
        const header = await exportLog({
          log: ownLog,
          pool,
          path: file,
          onProgress: ({ done, total }) => line.update(done, total),
        });
        line.end();
        const rows = await exportKeys({
          keys: postgresDataKeysBackup(keyPool),
          checkValues: keyring.checkValues,
          path: o.keys,
          epoch: header.epoch,
        });
        if (o.json) return printJson({ ...header, dataKeys: rows });
        console.log(
          `${header.events} events through ${header.head || 'the start'} are in ${file}, ${rows} data keys in ${o.keys}.`,
        );
        console.log(
          'Keep the master key and the peppers too (data folder, secrets/), and keep them elsewhere.',
        );
      }),
    );

  verb('import <file>', 'Fill an empty log from a backup; refuses another keyring')
    .requiredOption('--keys <file>', 'the data keys that were exported with it')
    .action((file: string, o) =>
      withEngines(async (engines) => {
        const { ownLog, keyPool, keyring } = engines;
        const pool = inPostgres(engines);
        const { epoch } = await readBackupHeader<LogBackupHeader>(file, 'plinth-log');
        const keys = postgresDataKeysBackup(keyPool);
        await checkKeyring({ path: o.keys, checkValues: keyring.checkValues, epoch });
        // An import that was killed between log and keys has left the one without the other: it goes on.
        const filled = (await engines.log.head()).position !== START;
        if (filled && !((await isEmpty(keys)) && (await holdsBackup({ log: ownLog, pool, path: file })))) {
          throw new Failure(
            'The log is not empty: import into a new data folder or database. Nothing was imported.',
          );
        }
        await checkKeyBackup({ keys, path: o.keys });
        const line = progressLine('Importing, events');
        const header = filled
          ? await readBackupHeader<LogBackupHeader>(file, 'plinth-log')
          : await importLog({
              log: ownLog,
              pool,
              path: file,
              onProgress: ({ done, total }) => line.update(done, total),
            });
        line.end();
        const rows = await importKeys({ keys, checkValues: keyring.checkValues, path: o.keys, epoch });
        if (o.json) return printJson({ ...header, dataKeys: rows });
        console.log(
          `${header.events} events and ${rows} data keys are in. Start the platform: it fills the read models from them.`,
        );
      }),
    );

  addCopyCommands(log);
}

async function tail(
  engines: Engines,
  signal: AbortSignal,
  options: { count: number; after?: string; follow?: boolean; json?: boolean },
): Promise<void> {
  const { epoch, position: head } = await engines.log.head();
  const print = async (events: Awaited<ReturnType<typeof engines.log.readAll>>['events']) => {
    for (const recorded of events) {
      const { text, json } = await eventLine(engines.codec, recorded, epoch);
      console.log(options.json ? JSON.stringify(json) : text);
    }
  };
  let after = options.after === undefined ? START : positionGiven(options.after, epoch);
  if (options.after === undefined) {
    const newest = await engines.ownLog.newest(options.count);
    await print(newest);
    after = newest.at(-1)?.position ?? head;
  }
  while (after < head && !signal.aborted) {
    const slice = await engines.log.readAll(after, TAIL_BATCH_EVENTS);
    await print(slice.events);
    if (slice.through === after) break;
    after = slice.through;
  }
  if (!options.follow) return;
  for await (const slice of engines.log.subscribe(after, { batchEvents: TAIL_BATCH_EVENTS, signal }))
    await print(slice.events);
}

/** As a client is told it (`<epoch>.<position>`), or the bare position. */
function positionGiven(text: string, epoch: Epoch): Position {
  const token = parsePositionToken(/^(?:[0-9]{20}|[0-9]{40})$/.test(text) ? `${epoch}.${text}` : text);
  if (token === null) {
    throw new Failure(
      `${text} is no position: give its 20 or 40 digits, or what a Plinth-Position header says.`,
    );
  }
  if (token.epoch !== epoch) throw new Failure(`${text} is a position of a history that is gone.`);
  return token.position;
}

/** The pool of a log that lies in Postgres. */
function inPostgres({ logPool }: Engines): Pool {
  if (logPool) return logPool;
  throw new Failure(
    'The log lies in an EventStoreDB: use its own tools for counts and backups, or `plinth log copy` into a PostgreSQL.',
  );
}

async function mustNotExist(path: string): Promise<void> {
  const exists = await access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
  if (exists) throw new Failure(`${path} exists already: name a new file. Nothing was exported.`);
}
