/** Runners of one projection that Kafka may feed, with a relay, in memory, on a clock that a test moves. */
import type { Clock } from '../../commands/clock.ts';
import type { Feed } from '../../projections/feed.ts';
import { projectionRunner } from '../../projections/runner.ts';
import { streamId } from '../../schemas/envelope.ts';
import { relay } from '../../workers/relay.ts';
import { newEvent } from '../contracts/event-log-fixtures.ts';
import { memoryBroker } from '../engines/memory-broker.ts';
import { memoryEventLog } from '../engines/memory-event-log.ts';
import { memoryProjectionDatabase } from '../engines/memory-projection-store.ts';
import { memoryRelayLeases } from '../engines/memory-relay-lease.ts';
import { plainCodec } from '../simulation/plain-codec.ts';
import { counts } from './counting-projection.ts';
import { fakeClock } from './fake-clock.ts';

export function fedRunners(t: { after(clean: () => Promise<void>): void }) {
  const clock = fakeClock();
  const log = memoryEventLog({ clock });
  const database = memoryProjectionDatabase({ clock });
  const broker = memoryBroker({ clock });
  const start = (run: (signal: AbortSignal) => Promise<void>) => {
    const stopping = new AbortController();
    let over = false;
    const running = run(stopping.signal).finally(() => {
      over = true;
    });
    const stop = async () => {
      stopping.abort();
      while (!over) await clock.advance(100);
      await running;
    };
    t.after(stop);
    return stop;
  };
  const leases = memoryRelayLeases(clock);
  let relays = 0;
  /** Answers how to stop it. */
  const startRelay = () => {
    const deps = { log, topics: broker.connect().relayTopics(), lease: leases(`relay-${++relays}`), clock };
    return start((signal) => relay(deps, { signal, partitions: 3 }).run());
  };
  const store = database.connect();
  /** @param endsMs how long a look at the topics takes that is begun now */
  const runner = (holder: string, withKafka: boolean, endsMs = () => 0) => {
    const feed = withKafka ? slowly(broker.connect().feed(), clock, endsMs) : null;
    const self = projectionRunner(
      { projection: counts, store: database.connect(), log, decoder: plainCodec, clock, feed },
      { holder },
    );
    return { health: () => self.health(), stop: start((signal) => self.run(signal)) };
  };
  let version = 0;
  const append = () => log.append(streamId('key', 'a'), version++, [newEvent({ timeMs: clock.now() })]);
  return {
    clock,
    log,
    feed: broker.connect().feed(),
    startRelay,
    runner,
    append,
    /** A failover: the last event is lost, and another has its position. */
    replaceLast() {
      log.truncateTail(1);
      version -= 1;
      return append();
    },
    halted: () => database.current('counts')?.halted ?? null,
    counted: () => database.current('counts')?.data.tables.get('counts')?.get('key-a')?.n ?? 0,
    isFed: async () => (await store.revisions('counts')).some(({ feed }) => feed !== null),
  };
}

function slowly(feed: Feed, clock: Clock, endsMs: () => number): Feed {
  return {
    ...feed,
    async ends(domains) {
      const ends = await feed.ends(domains);
      await clock.sleep(endsMs());
      return ends;
    },
  };
}
