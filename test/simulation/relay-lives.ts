/** Relays that are kept alive over one log and one broker, and the operator who begins their generations. */
import assert from 'node:assert/strict';
import type { Clock } from '../../commands/clock.ts';
import type { EventLog } from '../../commands/event-log.ts';
import { beginGeneration } from '../../workers/begin-generation.ts';
import { type Relay, type RelayHealth, relay } from '../../workers/relay.ts';
import type { RelayLease } from '../../workers/relay-lease.ts';
import type { RelayTopics } from '../../workers/relay-topics.ts';
import type { MemoryBroker, MemoryBrokerConnection } from '../engines/memory-broker.ts';
import { memoryRelayLeases } from '../engines/memory-relay-lease.ts';
import { keepAlive, type Lives } from './lives.ts';
import { PARTITIONS } from './relay-world.ts';
import type { Process, Scheduler } from './scheduler.ts';

export interface Relays extends Lives {
  says(what: (health: RelayHealth) => boolean): boolean;
}

export interface RelaysOptions {
  readonly log: EventLog;
  readonly broker: MemoryBroker;
  readonly count: number;
  readonly mishaps: number;
  readonly leaseMs?: number;
  topics?(connection: MemoryBrokerConnection, clock: Clock): RelayTopics;
}

export function keepRelaying(scheduler: Scheduler, options: RelaysOptions): Relays {
  const { log, broker, topics = (connection) => connection.relayTopics() } = options;
  const leases = memoryRelayLeases(scheduler.clock, options.leaseMs);
  const relays = new Map<Process, Relay>();
  // Where the store of the lease is away both may write in turn: that they never do at once is Kafka's word.
  const awayOf = scheduler.chance(0.2) ? 0.5 : 0;
  const sometimesAway = (lease: RelayLease): RelayLease => ({
    hold: () => (scheduler.chance(awayOf) ? Promise.reject(new Error('no route')) : lease.hold()),
    seize: () => lease.seize(),
    release: () => lease.release(),
  });
  const lives = keepAlive(scheduler, {
    name: 'relay',
    count: options.count,
    mishaps: options.mishaps,
    begin(process) {
      const turn = (label: string) => process.turn(label);
      const connection = broker.connect({ turn, clock: process.clock });
      const deps = {
        log: process.wrap(log, 'log'),
        topics: topics(connection, process.clock),
        lease: sometimesAway(leases(process.name, turn)),
        clock: process.clock,
      };
      const batchEvents = 1 + scheduler.below(4);
      return {
        run(signal) {
          const self = relay(deps, { signal, partitions: PARTITIONS, batchEvents });
          relays.set(process, self);
          return self.run().finally(() => relays.delete(process));
        },
        crash() {
          relays.delete(process);
          connection.crash();
        },
      };
    },
  });
  return {
    ...lives,
    says: (what) => [...relays.values()].some((one) => what(one.health())),
  };
}

/** Of an operator, half a second apart. */
const MAX_TRIES = 60;

const atWork = new WeakMap<MemoryBroker, Promise<void>>();

/**
 * What an operator does with `plinth relay restart`, until it has worked. One operator after the other: where
 * time flies two would fence each other for ever.
 */
export function beginAnew(
  scheduler: Scheduler,
  log: EventLog,
  broker: MemoryBroker,
  others: () => readonly Process[],
): Promise<void> {
  const before = atWork.get(broker) ?? Promise.resolve();
  const mine = before.then(() => beginOnce(scheduler, log, broker, others));
  atWork.set(broker, mine);
  return mine;
}

async function beginOnce(
  scheduler: Scheduler,
  log: EventLog,
  broker: MemoryBroker,
  others: () => readonly Process[],
): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const operator = scheduler.process('operator');
    const connection = broker.connect({ turn: (label) => operator.turn(label), clock: operator.clock });
    const deps = {
      log: operator.wrap(log, 'log'),
      topics: connection.relayTopics(),
      // Which no relay sees: it is a hint.
      lease: memoryRelayLeases(operator.clock)('operator'),
      clock: operator.clock,
    };
    // Relays that take over in the middle fence the operator, too: where time flies they always do.
    const held = tries < 3 ? [] : others();
    for (const process of held) process.frozen = true;
    try {
      await beginGeneration(deps, PARTITIONS + scheduler.below(2));
      return;
    } catch (error) {
      scheduler.note(`no new generation: ${(error as Error).message}`);
      await scheduler.clock.sleep(500);
    } finally {
      for (const process of held) process.frozen = false;
    }
  }
  assert.fail('an operator cannot begin a new generation');
}
