/**
 * Whether a read may be answered by the replica. What it shows may be behind by at most `MAX_LAG_MS`: it has
 * to have reached a place that the primary's projection was seen at within that time, in the same epoch. So
 * a replica that was cut off, stopped replaying or belongs to another history is passed by, and so is one
 * that fails, for a while.
 *
 * The primary is asked for its places only while reads come, and not more often than `SAMPLE_EVERY_MS`.
 */
import type { Clock } from '../../commands/clock.ts';
import { singleFlight } from '../../projections/single-flight.ts';
import type { Epoch, Position } from '../../schemas/envelope.ts';
import type { Pool, Prepared } from './pool.ts';

/** How far what a read shows without `atLeast` may be behind. */
export const MAX_LAG_MS = 5_000;
const SAMPLE_EVERY_MS = 500;
const SAMPLE_DEADLINE_MS = 1_000;
/** After this many failures in a row the replica is left alone, and then tried by one read. */
const FAILURES_TO_OPEN = 3;
const OPEN_MS = 1_000;

const PROGRESS: Prepared = {
  name: 'projections-progress',
  text: `SELECT p.name, k.epoch, k."position", k.halted FROM plinth.projections p
    JOIN plinth.progress k ON k.projection = p.name AND k.revision = p.current_revision`,
};

/**
 * Why a read went to the primary: the replica has not reached `atLeast`, is behind by more than `MAX_LAG_MS`,
 * is of another epoch or halted or without the projection, failed, has failed (and rests), or the primary
 * could not be asked how far it is.
 */
export type ReplicaFallback = 'behind' | 'lagging' | 'history' | 'failed' | 'resting' | 'unknown';

export interface ReplicaPlace {
  readonly name: string;
  readonly epoch: Epoch;
  readonly position: Position;
}

export interface ReplicaGate {
  /** Null: ask the replica. */
  closed(): Promise<ReplicaFallback | null>;
  /** Of what the replica's snapshot shows. Null: it may be answered. */
  judge(places: readonly ReplicaPlace[]): ReplicaFallback | null;
  answered(): void;
  failed(): void;
}

interface Sample {
  readonly startedMs: number;
  readonly places: ReadonlyMap<string, ReplicaPlace & { readonly halted: string | null }>;
}

export function replicaGate(primary: Pick<Pool, 'query'>, clock: Clock): ReplicaGate {
  /** Of the last `MAX_LAG_MS`, oldest first. */
  let samples: Sample[] = [];
  let failures = 0;
  let openUntilMs = Number.NEGATIVE_INFINITY;

  const forgetOld = () => {
    const now = clock.now();
    samples = samples.filter(({ startedMs }) => now >= startedMs && now - startedMs <= MAX_LAG_MS);
  };
  const sampling = singleFlight(clock, SAMPLE_DEADLINE_MS, async (current) => {
    const startedMs = clock.now();
    const rows = await primary.query<ReplicaPlace & { halted: string | null }>(PROGRESS, []);
    if (!current()) return;
    forgetOld();
    samples.push({ startedMs, places: new Map(rows.map((row) => [row.name, row])) });
  });

  return {
    async closed() {
      const now = clock.now();
      if (now < openUntilMs) return 'resting';
      // One read tries it; the others wait for what becomes of that.
      if (failures >= FAILURES_TO_OPEN) openUntilMs = now + OPEN_MS;
      forgetOld();
      const latest = samples.at(-1);
      if (latest === undefined) await sampling.run().catch(() => undefined);
      else if (now - latest.startedMs >= SAMPLE_EVERY_MS) void sampling.run().catch(() => undefined);
      return samples.length > 0 ? null : 'unknown';
    },
    judge(places) {
      forgetOld();
      const [oldest] = samples;
      const latest = samples.at(-1);
      if (oldest === undefined || latest === undefined) return 'unknown';
      for (const { name, epoch, position } of places) {
        const now = latest.places.get(name);
        if (now === undefined || now.halted !== null || now.epoch !== epoch) return 'history';
        const before = oldest.places.get(name);
        const reach =
          before?.epoch === epoch && before.position < now.position ? before.position : now.position;
        if (position < reach) return 'lagging';
      }
      return null;
    },
    answered() {
      failures = 0;
      openUntilMs = Number.NEGATIVE_INFINITY;
    },
    failed() {
      failures++;
      if (failures >= FAILURES_TO_OPEN) openUntilMs = clock.now() + OPEN_MS;
    },
  };
}
