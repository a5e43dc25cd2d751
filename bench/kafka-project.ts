/**
 * The list of keys filled by Kafka against the same projection filled by the log: the product's runner, codec
 * and store both times, the same events, into empty tables.
 *
 * A projection joins the feed where the log ends. So those that Kafka is to fill join while the log is all
 * but empty, and stop; then the log is written, and the relay carries it into the topics. Each round starts
 * the runner of one of them, which has everything still to read. The clock runs from the first fetch (the
 * partitions are assigned and their places known), or from the subscription to the log, to the last commit.
 */
import { randomUUID } from 'node:crypto';
import { openKafka } from '../infra/kafka/kafka.ts';
import type { Engines } from '../infra/platform/engines.ts';
import type { Pool } from '../infra/postgres/pool.ts';
import { within } from '../infra/within.ts';
import type { Feed } from '../projections/feed.ts';
import { keyListProjection } from '../projections/keys/key-list-projection.ts';
import { nameOf } from '../projections/places.ts';
import type { Projection, Tx } from '../projections/projection.ts';
import { projectionRunner, type RunnerDeps } from '../projections/runner.ts';
import type { Position } from '../schemas/envelope.ts';
import { startKafka } from '../test/support/kafka-server.ts';
import { relay } from '../workers/relay.ts';
import { type Benchmark, interleave } from './harness.ts';
import { appendKeyLog } from './key-events.ts';
import { scratchHouse } from './scratch-house.ts';

const EVENTS = 20_000;
const UPDATES = 0.6;
const ROUNDS = 6;
const PARTITIONS = 12;
const DOMAINS = 3;
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 20;

export const kafkaProjectBenchmark: Benchmark = {
  name: 'kafka-project',
  unit: 'events/s',
  bar: 0.7,
  passes: 'at least',
  says: `${EVENTS} key events, ${UPDATES * 100} % of them updates, of a Postgres log into an empty list of keys by way of Kafka, against the same projection fed by the log`,
  async measure() {
    const [house, server] = await Promise.all([scratchHouse(), startKafka()]);
    const { engines } = house;
    const kafka = openKafka({
      brokers: [server.brokers],
      prefix: 'bench',
      replicas: 1,
      clock: engines.clock,
    });
    try {
      // One for each round, and one for the warm-up.
      const fed = Array.from({ length: ROUNDS + 1 }, (_, i) => listOf(`fed_${i}`));
      const fedByLog = fed.map((_, i) => listOf(`logged_${i}`));
      await carried(engines, kafka, async () => {
        await Promise.all(fed.map((projection) => joined(engines, projection, kafka.feed)));
        await appendKeyLog(engines, EVENTS, UPDATES);
      });
      const left = { subject: [...fed], yardstick: [...fedByLog] };
      const measured = await interleave({
        rounds: ROUNDS,
        subject: () => filled(engines, left.subject.shift()!, kafka.feed),
        yardstick: () => filled(engines, left.yardstick.shift()!, null),
      });
      for (const [i, projection] of fed.entries()) await compare(engines.pool, projection, fedByLog[i]!);
      return measured;
    } finally {
      await kafka.close();
      await server.stop();
      await house.close();
    }
  },
};

function listOf(name: string): Projection {
  return { ...keyListProjection, name };
}

/** A relay runs while `work` does, and until it has carried all that is in the log by then. */
async function carried(
  { log, clock }: Engines,
  kafka: ReturnType<typeof openKafka>,
  work: () => Promise<void>,
): Promise<void> {
  const topics = kafka.relayTopics();
  const lease = { hold: async () => true, release: async () => {} };
  const stop = new AbortController();
  const carrier = relay({ log, topics, lease, clock }, { signal: stop.signal, partitions: PARTITIONS });
  const running = carrier.run();
  await work();
  const { position } = await log.head();
  await until('the relay has carried the log', async () => (carrier.health().position ?? '') >= position);
  // The last watermarks go with its end.
  stop.abort();
  await running;
  await topics.close();
}

/** Made, and fed by Kafka from where the log ends now on; nobody runs it any more. */
async function joined(engines: Engines, projection: Projection, feed: Feed): Promise<void> {
  await running({ ...depsOf(engines, projection), feed }, () =>
    until(`${projection.name} is fed`, async () => {
      const [revision] = await engines.store.revisions(projection.name);
      return revision?.feed != null;
    }),
  );
}

/** Events a second, from the first that is read to the commit that has reached the end of the log. */
async function filled(engines: Engines, projection: Projection, feed: Feed | null): Promise<number> {
  const { position: end } = await engines.log.head();
  let startedMs = 0;
  const begins = () => {
    startedMs = performance.now();
  };
  const reached = Promise.withResolvers<number>();
  const ends = () => reached.resolve(performance.now());
  const { store, log } = engines;
  const places = new Map<string, Position>();
  const deps: RunnerDeps<Tx> = {
    ...depsOf(engines, projection),
    log: {
      ...log,
      subscribe(...how) {
        begins();
        return log.subscribe(...how);
      },
    },
    store: {
      ...store,
      async advance(lease, from, to, work) {
        await store.advance(lease, from, to, work);
        if (to.position >= end) ends();
      },
      async advancePlaces(fed, moves, work) {
        await store.advancePlaces(fed, moves, work);
        for (const { to } of moves) places.set(nameOf(to), to.bookmark.position);
        const done = [...places.values()].filter((position) => position >= end);
        if (done.length === DOMAINS * PARTITIONS) ends();
      },
    },
    feed: feed && {
      ...feed,
      consume: (membership) =>
        feed.consume({
          ...membership,
          async assigned(partitions) {
            const offsets = await membership.assigned(partitions);
            begins();
            return offsets;
          },
        }),
    },
  };
  const endedMs = await running(deps, () =>
    within(engines.clock, PATIENCE_MS, `filling ${projection.name}`, reached.promise),
  );
  return (EVENTS * 1_000) / (endedMs - startedMs);
}

/** The runner works while `work` does. */
async function running<R>(deps: RunnerDeps<Tx>, work: () => Promise<R>): Promise<R> {
  const stop = new AbortController();
  const running = projectionRunner(deps, { holder: randomUUID() }).run(stop.signal);
  try {
    return await work();
  } finally {
    stop.abort();
    await running;
  }
}

function depsOf({ store, log, codec, clock }: Engines, projection: Projection): RunnerDeps<Tx> {
  return { projection, store, log, decoder: codec, clock, feed: null };
}

/** Kafka did the same work, or it is none. */
async function compare(pool: Pool, one: Projection, other: Projection): Promise<void> {
  for (const { name } of one.tables) {
    const [a, b] = [`"rm_${one.name}_1"."${name}"`, `"rm_${other.name}_1"."${name}"`];
    const [row] = await pool.query<{ rows: number; differ: number }>(
      `SELECT (SELECT count(*) FROM ${a})::integer AS rows,
         (SELECT count(*) FROM ((TABLE ${a} EXCEPT TABLE ${b}) UNION ALL (TABLE ${b} EXCEPT TABLE ${a})) AS d)::integer AS differ`,
    );
    const empty = name === 'keys' && row?.rows === 0;
    if (!row || row.differ > 0 || empty) {
      throw new Error(`${row?.differ} of ${row?.rows} rows of ${a} are others`);
    }
  }
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
