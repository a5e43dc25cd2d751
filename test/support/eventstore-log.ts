/** A log on the stand-in, or on the EventStoreDB that EVENTSTOREDB_URL names, closed after the test. */
import type { EventLog } from '../../commands/event-log.ts';
import { openEventStoreEventLog } from '../../infra/event-log/eventstore/eventstore-event-log.ts';
import type { PlatformLog } from '../../infra/event-log/platform-log.ts';
import { systemClock } from '../../infra/system-clock.ts';
import { type Position, type Slice, START } from '../../schemas/envelope.ts';
import { Secret } from '../../schemas/secret.ts';
import { type EventStoreStandIn, startEventStoreStandIn } from '../eventstore/stand-in.ts';
import type { Cleanup } from './postgres.ts';

export interface TestEventStoreLog {
  readonly log: PlatformLog;
  readonly standIn: EventStoreStandIn;
  readonly url: string;
}

const SHORT = { appendTimeoutMs: 1_000, readTimeoutMs: 1_500 };

export async function openEventStoreLogAt(t: Cleanup, url: string): Promise<PlatformLog> {
  const log = await openEventStoreEventLog({ url: new Secret(url), clock: systemClock, ...SHORT });
  t.after(() => log.close());
  return log;
}

/** A node of the test's own. */
export async function openEventStoreTestLog(t: Cleanup): Promise<TestEventStoreLog> {
  const standIn = await startEventStoreStandIn();
  const log = await openEventStoreLogAt(t, standIn.url);
  t.after(() => standIn.close());
  return { log, standIn, url: standIn.url };
}

/** What is behind the end of a log that holds something already, as if it were a log of its own. */
export async function fromHereOn(log: EventLog): Promise<EventLog> {
  const { position: begin } = await log.head();
  const there = (position: Position) => (position === START ? begin : position);
  const here = (position: Position) => (position === begin ? START : position);
  const slice = ({ through, ...rest }: Slice): Slice => ({ ...rest, through: here(through) });
  return {
    ...log,
    readAll: async (after, limit) => slice(await log.readAll(there(after), limit)),
    async *subscribe(after, options) {
      for await (const one of log.subscribe(there(after), options)) yield slice(one);
    },
    async head() {
      const { epoch, position } = await log.head();
      return { epoch, position: here(position) };
    },
  };
}
