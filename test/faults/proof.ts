/** At the end: what was acknowledged, the log, the topics and the read models say the same. */
import assert from 'node:assert/strict';
import { openLog } from '../../infra/event-log/open-log.ts';
import { systemClock } from '../../infra/system-clock.ts';
import { projectionCatalogue } from '../../projections/catalogue.ts';
import { type Recorded, START } from '../../schemas/envelope.ts';
import { Secret } from '../../schemas/secret.ts';
import { plinth } from '../support/platform-process.ts';
import { assertTopicsAreTheLog, readTopics } from '../support/topic-check.ts';
import type { Cluster } from './cluster.ts';
import { fedByTheLast } from './new-generation.ts';
import { relayed } from './recovery.ts';
import type { Acknowledged, Operation } from './workload.ts';

const typeOf: Readonly<Record<Operation, string>> = {
  issue: 'key.issued',
  update: 'key.renamed',
  revoke: 'key.revoked',
};

export interface Proof {
  readonly events: number;
  /** Acknowledged commands whose event is not where the answer said. */
  readonly lost: number;
  /** Events of the keys of the workload that no acknowledged command accounts for. */
  readonly doubled: number;
}

const RELAYED_WITHIN_MS = 60_000;

/**
 * The workload has ended, and every command is acknowledged. Ends the roles that write of themselves, and
 * throws where topics or read models differ from the log.
 */
export async function prove(cluster: Cluster, acknowledged: readonly Acknowledged[]): Promise<Proof> {
  // The API counts what it was asked, and appends that from time to time.
  for (const slot of cluster.slots) {
    if (slot.role !== 'api' && slot.role !== 'scheduler') continue;
    const { code, signal, stderr } = await slot.stop();
    assert.deepEqual([code, signal], [0, null], `${slot.role}: ${stderr}`);
  }
  const log = await wholeLog(cluster.logUrl);
  await relayed(cluster, performance.now() + RELAYED_WITHIN_MS, log.at(-1)!.position);
  await topicsAreTheLog(cluster, log);
  await fedByTheLast(cluster);
  for (const { name } of projectionCatalogue) {
    const verified = await plinth(['projections', 'verify', name], { env: cluster.env });
    assert.equal(verified.code, 0, `${name}: ${verified.stdout}${verified.stderr}`);
  }
  return { events: log.length, ...compare(log, acknowledged) };
}

export function compare(
  log: readonly Pick<Recorded, 'position' | 'stream' | 'type'>[],
  acknowledged: readonly Pick<Acknowledged, 'operation' | 'keyId' | 'position'>[],
): { lost: number; doubled: number } {
  const left = new Map<string, string>();
  const keys = new Set(acknowledged.map(({ keyId }) => keyId));
  for (const { position, stream, type } of log) {
    if (keys.has(stream.slice(stream.indexOf('-') + 1))) left.set(position, `${stream} ${type}`);
  }
  let lost = 0;
  for (const { operation, keyId, position } of acknowledged) {
    const found = left.get(position);
    if (found === `key-${keyId} ${typeOf[operation]}`) left.delete(position);
    else lost += 1;
  }
  return { lost, doubled: left.size };
}

/** Each generation holds what came from its begin to its end, and the last one all since its begin. */
async function topicsAreTheLog({ topics }: Cluster, log: readonly Recorded[]): Promise<void> {
  for (const [index, { begin, ...generation }] of topics.generations.entries()) {
    const these = { ...topics, ...generation };
    const next = topics.generations[index + 1];
    const read = next ? [...(await readTopics(these)).values()].flat() : [];
    const end = next
      ? (read
          .map(({ bookmark }) => bookmark.position)
          .sort()
          .at(-1) ?? begin)
      : null;
    // What lies between them is in none: consumers take it from the log.
    if (end !== null) assert.ok(end <= next!.begin, `${end} is past the begin of the next generation`);
    const held = end === null ? log : log.filter(({ position }) => position <= end);
    await assertTopicsAreTheLog(these, held, begin);
  }
}

async function wholeLog(url: string): Promise<Recorded[]> {
  const opened = await openLog(new Secret(url), systemClock);
  try {
    const all: Recorded[] = [];
    for (let at = START; ; ) {
      const slice = await opened.log.readAll(at, 1_000);
      if (slice.events.length === 0) return all;
      all.push(...slice.events);
      at = slice.through;
    }
  } finally {
    await opened.close();
  }
}
