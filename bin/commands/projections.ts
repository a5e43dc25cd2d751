/** `plinth projections …`: on the database itself, so that it works when the API does not. */
import type { Command } from 'commander';
import { metadataOf, requestOnParked } from '../../commands/projections/request-on-parked.ts';
import { systemContext } from '../../commands/system-context.ts';
import type { Engines } from '../../infra/platform/engines.ts';
import { projectionCatalogue } from '../../projections/catalogue.ts';
import type { Projection } from '../../projections/projection.ts';
import { rebuildProjection } from '../../projections/rebuild.ts';
import { relayProblem, withProblem } from '../../projections/relay-standing.ts';
import { verifyProjection } from '../../projections/verify-projection.ts';
import { withWorkers } from '../../projections/who-works.ts';
import type { StreamId } from '../../schemas/envelope.ts';
import { Failure } from '../failure.ts';
import { withEngines } from '../local.ts';
import { printJson, printTable, progressLine } from '../output.ts';
import { wholeNumber } from '../whole-number.ts';

const MAX_LISTED = 1_000;
const MAX_PROCESSES_SHOWN = 4;
/** Rows hold what people wrote, in the clear. */
const PERSONAL = { personal: true };

export function addProjectionCommands(program: Command): void {
  const projections = program.command('projections').description('Look at, rebuild and verify read models');
  const verb = (name: string, description: string) =>
    projections.command(name).description(description).option('--json', 'print JSON');

  verb('list', 'Where each projection stands').action((o) =>
    withEngines(async ({ store, log, kafka, clock }) => {
      const head = (await log.head()).position;
      const look = kafka ? relayProblem({ feed: kafka.feed, log, clock }) : async () => null;
      const stands = await withProblem(await store.revisions(), look);
      const revisions = await withWorkers(stands, kafka?.members ?? null);
      await printTable(o, revisions, {
        projection: (r) => r.projection,
        revision: (r) => r.revision,
        state: (r) => r.state,
        position: (r) => r.bookmark.position || 'start',
        'at head': (r) => (r.bookmark.position === head ? 'yes' : 'no'),
        parked: (r) => r.parkedStreams,
        'fed by': (r) => (r.feed ? `Kafka, generation ${r.feed.generation}` : 'the log'),
        'run by': (r) => runBy(r.runBy),
        'waits for': (r) => r.problem,
        halted: (r) => r.halted,
      });
    }),
  );

  verb('rebuild <name>', 'Fill a read model anew beside the current one, and swap it in').action(
    (name: string, o) =>
      withEngines(async (engines, signal) => {
        const line = progressLine(`Rebuilding ${name}, events read`);
        let total: number | null = null;
        const revision = await rebuildProjection(depsOf(engines, named(name)), {
          holder: engines.holder,
          signal,
          progress: ({ events, head }) => {
            total ??= /^\d{1,20}$/.test(head) ? Number(head) : null;
            line.update(events, total);
          },
        });
        line.end();
        if (revision === null) throw new Failure('Stopped: the current read model stays as it was.', 130);
        if (o.json) return printJson({ projection: name, revision });
        console.log(`${name} is rebuilt: revision ${revision} is current.`);
      }, PERSONAL),
  );

  verb('verify <name>', 'Rebuild beside, and compare every column with what is served').action(
    (name: string, o) =>
      withEngines(async (engines, signal) => {
        const line = progressLine(`Verifying ${name}, events read`);
        const verification = await verifyProjection(depsOf(engines, named(name)), {
          holder: engines.holder,
          signal,
          progress: ({ events }) => line.update(events, null),
        });
        line.end();
        if (verification === null) throw new Failure('Stopped, or there is nothing to compare yet.');
        if (o.json) printJson(verification);
        else {
          console.log(
            `${name} revision ${verification.revision} at ${verification.position}: ${verification.rows} rows, ${verification.differences} differences.`,
          );
          for (const { table, key, kind, columns } of verification.first)
            console.log(`  ${table} ${key}: ${kind} ${columns.join(', ')}`);
        }
        if (verification.differences > 0) process.exitCode = 1;
      }, PERSONAL),
  );

  verb('parked <name>', 'Streams that wait because an event could not be projected').action(
    (name: string, o) =>
      withEngines(async ({ store }) => {
        await printTable(o, await store.parked(named(name).name, { limit: MAX_LISTED }), {
          stream: (p) => p.stream,
          'failed at version': (p) => p.firstVersion,
          'events waiting': (p) => p.events,
          error: (p) => p.error,
        });
      }),
  );

  verb('replay <name> <stream>', 'Try again what waits in a parked stream').action(
    (name: string, stream: string, o) =>
      withEngines((engines) => request(engines, { projection: named(name), stream, version: null, ...o })),
  );
  verb('discard <name> <stream>', 'Drop the event that failed, for ever, and go on with those behind it')
    .requiredOption(
      '--version <n>',
      'version of the event, as `parked` shows it',
      wholeNumber(1, 9_999_999_999),
    )
    .action((name: string, stream: string, o) =>
      withEngines((engines) => request(engines, { projection: named(name), stream, ...o })),
    );
}

/** Many may share the partitions. */
function runBy(processes: readonly string[] | null): string | null {
  if (processes === null || processes.length === 0) return null;
  const more = processes.length - MAX_PROCESSES_SHOWN;
  return `${processes.slice(0, MAX_PROCESSES_SHOWN).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

interface ParkedRequest {
  readonly projection: Projection;
  readonly stream: string;
  /** Of the event to discard; null: replay. */
  readonly version: number | null;
  readonly json?: boolean;
}

async function request(engines: Engines, asked: ParkedRequest): Promise<void> {
  const { projection, stream, version } = asked;
  const events = await engines.log.readStream(stream as StreamId, { through: 1 });
  if (events.length === 0 || !(await engines.store.isParked(projection.name, [stream as StreamId]))) {
    throw new Failure(
      `${stream} is not parked in ${projection.name}: plinth projections parked ${projection.name} lists what is.`,
    );
  }
  const { tenant } = metadataOf(events[0]!);
  const serial = Buffer.from(engines.random.bytes(16)).toString('hex');
  const outcome = await requestOnParked(
    engines.keyDeps,
    systemContext('command-line', tenant, ['projections', stream, serial]),
    stream as StreamId,
    version === null
      ? { type: 'projection.replay-requested', data: { projection: projection.name } }
      : { type: 'projection.discard-requested', data: { projection: projection.name, version } },
  );
  if (outcome.kind === 'rejected') throw new Failure(outcome.rejection.detail);
  if (asked.json)
    return printJson({ projection: projection.name, stream, version, position: outcome.position });
  console.log(`Asked of ${projection.name}: its runner carries it out when it comes to ${outcome.position}.`);
}

function named(name: string): Projection {
  const projection = projectionCatalogue.find((p) => p.name === name);
  if (!projection)
    throw new Failure(
      `There is no projection "${name}": there are ${projectionCatalogue.map((p) => p.name).join(', ')}.`,
    );
  return projection;
}

function depsOf({ store, log, codec, clock }: Engines, projection: Projection) {
  return { projection, store, log, decoder: codec, clock };
}
