/** Decoding a run of the log when single events in it cannot be decoded. */
import type { Clock } from '../commands/clock.ts';
import type { Codec } from '../commands/codec.ts';
import type { DecodedEvent, Recorded } from '../schemas/envelope.ts';
import type { Reads } from './projection.ts';

export type Decoder = Pick<Codec, 'decode' | 'decodePublic'>;

/** An event of a used type, or why it could not be decoded. */
export type Item =
  | { readonly event: DecodedEvent; readonly error: null }
  | { readonly event: Recorded; readonly error: Error };

/** `newer`: wait for an upgrade. `undecodable`: the event itself is at fault. Otherwise null: try again. */
export function faultOf(error: unknown): 'newer' | 'undecodable' | null {
  const name = (error as Error | null)?.name;
  if (name === 'NewerSchemaVersion') return 'newer';
  if (name === 'UndecodableEvent' || name === 'UnknownEventType') return 'undecodable';
  return null;
}

export interface DecodeDeps {
  readonly projection: Pick<Reads<never>, 'reads'>;
  readonly decoder: Decoder;
  readonly clock: Clock;
}

export interface DecodedRun {
  readonly items: readonly Item[];
  /** Written by a newer release; `items` are those before it. */
  readonly newer: { readonly event: Recorded; readonly error: Error } | null;
}

/**
 * Decoding is nothing but computing, up to 25 µs an event: after so many, whoever waits for the database has a
 * turn. Without it the batch before, which is being written, stood still for as long as this one took.
 */
const EVENTS_A_TURN = 100;

/**
 * Decodes what the projection reads, many at a time; those among which one is at fault, one by one. Any
 * other error of the decoder is thrown on.
 */
export async function decodeRun(
  { projection, decoder, clock }: DecodeDeps,
  events: readonly Recorded[],
): Promise<DecodedRun> {
  const decode = projection.reads === 'public' ? publicOf(decoder) : decoder.decode;
  const items: Item[] = [];
  for (let from = 0; from < events.length; from += EVENTS_A_TURN) {
    if (from > 0) await clock.sleep(0);
    const run = await decodeTurn(decode, events.slice(from, from + EVENTS_A_TURN));
    items.push(...run.items);
    if (run.newer) return { items, newer: run.newer };
  }
  return { items, newer: null };
}

type Decode = (events: readonly Recorded[]) => Promise<readonly DecodedEvent[]>;

function publicOf({ decodePublic }: Decoder): Decode {
  return async (events) => events.map(decodePublic);
}

async function decodeTurn(decode: Decode, events: readonly Recorded[]): Promise<DecodedRun> {
  try {
    const decoded = await decode(events);
    return { items: decoded.map((event) => ({ event, error: null })), newer: null };
  } catch (error) {
    if (faultOf(error) === null) throw error;
  }
  const items: Item[] = [];
  for (const event of events) {
    try {
      const [decoded] = await decode([event]);
      items.push({ event: decoded!, error: null });
    } catch (error) {
      const fault = faultOf(error);
      if (fault === null) throw error;
      if (fault === 'newer') return { items, newer: { event, error: error as Error } };
      items.push({ event, error: error as Error });
    }
  }
  return { items, newer: null };
}
