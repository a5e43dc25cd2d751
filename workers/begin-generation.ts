/** A new generation of topics, begun by an operator. */
import type { Clock } from '../commands/clock.ts';
import type { EventLog } from '../commands/event-log.ts';
import { keepLease } from './keep-lease.ts';
import { firstRecord } from './relay-batch.ts';
import type { RelayLease } from './relay-lease.ts';
import type { RelayRecord, RelayTopics } from './relay-topics.ts';

const MAX_TRIES = 10;

export interface BeginDeps {
  readonly log: Pick<EventLog, 'head' | 'eventIdAt'>;
  readonly topics: RelayTopics;
  /** Relays that work would fence the operator again and again. */
  readonly lease: RelayLease;
  readonly clock: Clock;
}

/**
 * Begins a new generation of topics at the end of the log, whatever stood before: after a restore or a copy
 * of the log, a lost position topic, or to change the number of partitions. A relay that runs is fenced,
 * stands by meanwhile and goes on in the new generation; consumers take what lies before from the log.
 * Throws `RelayFenced` when relays that run were quicker ten times.
 */
export async function beginGeneration(deps: BeginDeps, partitions: number): Promise<RelayRecord> {
  const { lease } = deps;
  const done = new AbortController();
  // It is a hint: without it relays may be in the way, and no more.
  await lease.seize().catch(() => {});
  const renewing = keepLease(deps, done.signal, () => {});
  try {
    return await begin(deps, partitions);
  } finally {
    done.abort();
    await renewing;
    await lease.release().catch(() => {});
  }
}

async function begin({ log, topics }: BeginDeps, partitions: number): Promise<RelayRecord> {
  let topicsBefore: number | null = null;
  for (let tries = 1; ; tries++) {
    try {
      const { record, lastGeneration } = await topics.takeOver();
      // Topics that a try before this made hold nothing: they serve.
      topicsBefore ??= lastGeneration;
      const generation = Math.max(record?.generation ?? 0, topicsBefore) + 1;
      const { epoch, position } = await log.head();
      const eventId = await log.eventIdAt(position);
      const first = firstRecord(generation, partitions, { epoch, position, eventId });
      await topics.commit([], first);
      return first;
    } catch (error) {
      // A relay that works hears of the lease within 400 ms.
      if ((error as Error).name !== 'RelayFenced' || tries === MAX_TRIES) throw error;
    }
  }
}
