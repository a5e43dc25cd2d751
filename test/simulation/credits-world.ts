/** Credits of keys as the log tells them: balances, what each granted, and who leased how much of it. */
import type { CreditLeases, Leased } from '../../api/verify/credit-blocks.ts';
import type { KeyDeps } from '../../commands/keys/key-command.ts';
import { evolveKey, type KeyState, noKey } from '../../commands/keys/key-state.ts';
import { keyStream } from '../../commands/streams.ts';
import type { Decoded, Recorded } from '../../schemas/envelope.ts';
import type { KeyEvent } from '../../schemas/events/keys.ts';
import type { MemoryEventLog } from '../engines/memory-event-log.ts';
import { decodePlain } from './plain-codec.ts';
import type { Process } from './scheduler.ts';

/** Refills fall due sooner than the API allows, so that a schedule has some. */
export const REFILL_SECONDS = 2;

/** One life of one process that spends. */
export interface CreditsLife {
  readonly process: Process;
  readonly deps: KeyDeps;
  /** What a cache outside the process would keep, one for all its lives. */
  readonly outside: Map<string, Leased>;
}

export interface CreditsGuards {
  leases(leases: CreditLeases, life: CreditsLife): CreditLeases;
}

type KeyFact = KeyEvent & Pick<Decoded, 'version' | 'timeMs' | 'metadata'>;

/** One balance of a key, from the event that set or refilled it to the next. */
export interface Period {
  readonly sinceVersion: number;
  /** Units that may be spent of it: infinite where the key needs none, zero for a refill that was not due. */
  readonly granted: number;
}

export function keyFacts(log: MemoryEventLog, keyId: string): readonly KeyFact[] {
  const stream = keyStream(keyId);
  return log.events
    .filter((event) => event.stream === stream)
    .map((event) => {
      const known = decoded.get(event) ?? (decodePlain(event) as unknown as KeyFact);
      decoded.set(event, known);
      return known;
    });
}

/** The rule looks at the whole stream at every spend. */
const decoded = new WeakMap<Recorded, KeyFact>();

/** The key after each of its events, by version; index 0 is before all. */
export function statesOf(facts: readonly KeyFact[]): readonly KeyState[] {
  const states = [noKey];
  for (const fact of facts) states.push(evolveKey(states.at(-1)!, fact as never));
  return states;
}

/** What was granted is what was ordered, whatever the events of the refills say. */
export function periodsOf(facts: readonly KeyFact[]): readonly Period[] {
  const periods: Period[] = [];
  let order: { readonly amount: number; readonly everyMs: number; dueAtMs: number } | null = null;
  for (const fact of facts) {
    const { version: sinceVersion } = fact;
    if (fact.type === 'key.issued' || fact.type === 'key.credits-set') {
      const { credits } = fact.data;
      periods.push({ sinceVersion, granted: credits?.remaining ?? Number.POSITIVE_INFINITY });
      const refill = credits?.refill;
      order = refill
        ? { amount: refill.amount, everyMs: refill.everySeconds * 1000, dueAtMs: fact.timeMs }
        : null;
    }
    if (fact.type === 'key.credits-refilled') {
      const dueAtMs = Date.parse(fact.data.dueAt);
      const due = order !== null && dueAtMs >= order.dueAtMs + order.everyMs && dueAtMs <= fact.timeMs;
      periods.push({ sinceVersion, granted: due ? order!.amount : 0 });
      if (due) order!.dueAtMs = dueAtMs;
    }
  }
  return periods;
}

/** Units that each writer leased after `sinceVersion` and did not give back. */
export function outstanding(facts: readonly KeyFact[], sinceVersion: number): ReadonlyMap<string, number> {
  const writers = new Map<string, string>();
  const units = new Map<string, number>();
  for (const fact of facts) {
    if (fact.version <= sinceVersion) continue;
    if (fact.type === 'key.credits-leased') {
      const { leaseId, writer, amount } = fact.data;
      writers.set(leaseId, writer);
      units.set(writer, (units.get(writer) ?? 0) + amount);
    }
    if (fact.type === 'key.credits-returned') {
      const writer = writers.get(fact.data.leaseId)!;
      units.set(writer, units.get(writer)! - fact.data.amount);
    }
  }
  return units;
}
