import type { Decoded, Recorded } from '../schemas/envelope.ts';
import { PlinthError } from '../schemas/errors.ts';
import type { projectionEvents } from '../schemas/events/projections.ts';
import { type Codec, NewerSchemaVersion, UndecodableEvent } from './codec.ts';

const DISCARD: keyof typeof projectionEvents = 'projection.discard-requested';

/** The log answers those who read the same at the same time with one array: it is decoded once for them. */
const decoding = new WeakMap<readonly Recorded[], { codec: object; decoded: Promise<readonly Decoded[]> }>();

function decodeOnce(codec: Pick<Codec, 'decode'>, events: readonly Recorded[]): Promise<readonly Decoded[]> {
  const shared = decoding.get(events);
  if (shared?.codec === codec) return shared.decoded;
  const decoded = codec.decode(events);
  decoding.set(events, { codec, decoded });
  return decoded;
}

/**
 * The events of a stream that belongs to the tenant; none of another's, which are not even decoded: neither
 * the time that takes nor an event that cannot be read shall tell anybody that there is such a stream.
 */
export function ownEvents(events: readonly Recorded[], tenant: string): readonly Recorded[] {
  const [first] = events;
  return first !== undefined && tenantOf(first) === tenant ? events : [];
}

function tenantOf({ metadata }: Recorded): unknown {
  try {
    return (JSON.parse(Buffer.from(metadata).toString('utf8')) as { tenant?: unknown } | null)?.tenant;
  } catch {
    return undefined;
  }
}

/**
 * Decodes a run of one stream for somebody who asks about that stream alone. An event that cannot be
 * decoded is left out once an operator has discarded it, as the read models do; otherwise it is told as
 * what it means for them: `stream_parked`, or `unavailable` where a newer release wrote it. Neither tells
 * more of the event than its type.
 */
export async function decodeStream(
  codec: Pick<Codec, 'decode'>,
  events: readonly Recorded[],
): Promise<readonly Decoded[]> {
  let left = events;
  // Each round leaves one out.
  for (let round = 0; round <= events.length; round++) {
    try {
      return left.length === 0 ? [] : await decodeOnce(codec, left);
    } catch (error) {
      if (error instanceof NewerSchemaVersion) {
        const detail = `A newer release wrote an event (${error.event.type}) that this one cannot read.`;
        throw new PlinthError('unavailable', detail, {}, { cause: error });
      }
      if (!(error instanceof UndecodableEvent)) throw error;
      const { version, type } = error.event;
      if (!(await discardedVersions(codec, left)).has(version)) {
        const detail = `An event (${type}, version ${version}) cannot be read.`;
        throw new PlinthError('stream_parked', detail, {}, { cause: error });
      }
      left = left.filter((event) => event.version !== version);
    }
  }
  return [];
}

/** Versions that were discarded from the stream, in whichever projection. */
async function discardedVersions(
  codec: Pick<Codec, 'decode'>,
  events: readonly Recorded[],
): Promise<ReadonlySet<number>> {
  const asked = events.filter(({ type }) => type === DISCARD);
  const requests = asked.length === 0 ? [] : await codec.decode(asked);
  return new Set(requests.map(({ data }) => (data as { version: number }).version));
}
