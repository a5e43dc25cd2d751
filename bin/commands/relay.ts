/** `plinth relay`: the role, and what an operator does to its topics. */
import { type Command, InvalidArgumentError } from 'commander';
import { postgresRelayLease, relayLeaseHolder } from '../../infra/postgres/relay-lease.ts';
import { relayStanding } from '../../projections/relay-standing.ts';
import { settingSpecs } from '../../schemas/config.ts';
import { beginGeneration } from '../../workers/begin-generation.ts';
import { Failure } from '../failure.ts';
import { withEngines } from '../local.ts';
import { printFields, printJson } from '../output.ts';

export function addRelayCommands(program: Command, run: () => Promise<void>): void {
  const relay = program
    .command('relay')
    .description('Run the relay that carries the log to Kafka; as many as wanted, one works')
    .action(run);

  relay
    .command('status')
    .description('How far the topics are, what waits, and who works')
    .option('--json', 'print JSON')
    .action((o: { json?: boolean }) =>
      withEngines(async ({ kafka, log, pool, settings }) => {
        if (kafka === null) throw new Failure('There are no topics: KAFKA_BROKERS is not set.');
        const standing = await relayStanding(kafka.feed, log);
        if (standing === null) throw new Failure('No relay has carried anything yet: start `plinth relay`.');
        const { generation, partitions, relayed, waitingSinceMs } = standing;
        const { epoch, position: head } = await log.head();
        const since = waitingSinceMs === null ? null : new Date(waitingSinceMs).toISOString();
        const holder = await relayLeaseHolder(pool, settings.kafkaTopicPrefix);
        const told = {
          generation,
          partitions,
          position: relayed.position,
          head,
          waitingSince: since,
          holder,
        };
        if (o.json) return printJson(told);
        printFields({}, told);
        if (relayed.epoch !== epoch) {
          console.log('The topics are of another log: plinth relay restart begins new ones.');
        } else if (holder === null) {
          console.log('No relay works: start `plinth relay`; one that runs says why in its log and /readyz.');
        }
      }),
    );

  relay
    .command('restart')
    .description(
      'Begin a new generation of topics at the end of the log: after a restore or a copy of the log, a lost position topic, or for another number of partitions',
    )
    .option('--partitions <n>', 'of each topic; unset: KAFKA_PARTITIONS', partitionsOf)
    .option('--json', 'print JSON')
    .action((o: { partitions?: number; json?: boolean }) =>
      withEngines(async ({ kafka, log, settings, clock, pool, holder }) => {
        if (kafka === null) throw new Failure('There are no topics: KAFKA_BROKERS is not set.');
        const lease = await postgresRelayLease(pool, settings.kafkaTopicPrefix, holder);
        const topics = kafka.relayTopics();
        try {
          const deps = { log, topics, lease, clock };
          const record = await beginGeneration(deps, o.partitions ?? settings.kafkaPartitions);
          const { generation, partitions, bookmark } = record;
          if (o.json) return printJson({ generation, partitions, position: bookmark.position });
          printFields({}, { generation, partitions, position: bookmark.position });
          console.log(
            'A relay that runs goes on there by itself. Projections take what lies before it from the log.',
          );
        } finally {
          await topics.close();
        }
      }),
    );
}

/** The bounds of the setting that it stands in for. */
function partitionsOf(text: string): number {
  const { schema, rule } = settingSpecs.kafkaPartitions;
  const read = schema.safeParse(text);
  if (!read.success) throw new InvalidArgumentError(`It must be ${rule}.`);
  return read.data;
}
