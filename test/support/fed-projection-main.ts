/**
 * A process that runs the projection of tests of the feed. When it applies an event that says `hold`, it says
 * `in hand` and stays inside of the transaction.
 *
 *     node fed-projection-main.ts <brokers> <prefix> <connection string of Postgres>
 */
import { openPostgresEventLog } from '../../infra/event-log/postgres-event-log.ts';
import { openKafka } from '../../infra/kafka/kafka.ts';
import { createPool } from '../../infra/postgres/pool.ts';
import { systemClock as clock } from '../../infra/system-clock.ts';
import { projectionRunner } from '../../projections/runner.ts';
import { fedDeps } from './fed-projection.ts';

const [brokers = '', prefix = '', connectionString = ''] = process.argv.slice(2);
const pool = createPool({ connectionString, applicationName: 'feed test child' });
const log = await openPostgresEventLog({ pool, clock });
const kafka = openKafka({ brokers: brokers.split(','), prefix, replicas: 1, clock });
const deps = fedDeps({ pool, log, kafka }, async (events) => {
  if (!events.some(({ data }) => (data as { hold?: true }).hold)) return;
  console.log('in hand');
  await new Promise(() => {});
});
await projectionRunner(deps, { holder: 'child' }).run(new AbortController().signal);
