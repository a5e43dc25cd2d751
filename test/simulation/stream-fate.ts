/** What becomes of a stream's events, taken in order: they are applied, wait behind a poison, or are discarded. */
import { DISCARD, isRequest } from '../../projections/parking.ts';
import type { EventId, Recorded } from '../../schemas/envelope.ts';
import { decodePlain } from './plain-codec.ts';
import { ENTRY, type Poison } from './projection-world.ts';

/** Versions, in order. */
export interface StreamFate {
  readonly applied: readonly number[];
  readonly waiting: readonly number[];
}

export function fateOf(
  events: readonly Recorded[],
  fails: (version: number, poison: Poison) => boolean,
): StreamFate {
  const applied: number[] = [];
  let waiting: Recorded[] = [];
  const take = (event: Recorded) => {
    if (waiting.length > 0 || fails(event.version, poisonOf(event))) waiting.push(event);
    else applied.push(event.version);
  };
  for (const event of events) {
    if (event.type === ENTRY) take(event);
    if (!isRequest(event.type) || waiting.length === 0) continue;
    if (event.type === DISCARD && discardedBy(event) !== waiting[0]!.version) continue;
    const again = event.type === DISCARD ? waiting.slice(1) : waiting;
    waiting = [];
    for (const one of again) take(one);
  }
  return { applied, waiting: waiting.map(({ version }) => version) };
}

/** Once the code is mended and nothing is to come. */
export function discardedOf(events: readonly Recorded[]): ReadonlySet<EventId> {
  const discarded = new Set<EventId>();
  for (const stream of Map.groupBy(events, (event) => event.stream).values()) {
    const { applied, waiting } = fateOf(stream, (_version, poison) => poison === 'broken');
    const kept = new Set([...applied, ...waiting]);
    for (const { type, version, id } of stream) if (type === ENTRY && !kept.has(version)) discarded.add(id);
  }
  return discarded;
}

export function poisonOf(event: Recorded): Poison {
  return (dataOf(event) as { poison: Poison }).poison;
}

function discardedBy(event: Recorded): number {
  return (dataOf(event) as { version: number }).version;
}

const decoded = new WeakMap<Recorded, unknown>();

/** It is asked for after every commit of every schedule. */
function dataOf(event: Recorded): unknown {
  if (!decoded.has(event)) decoded.set(event, decodePlain(event).data);
  return decoded.get(event);
}
