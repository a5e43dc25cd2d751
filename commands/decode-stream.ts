import type { Decoded, Recorded, StreamId } from '../schemas/envelope.ts';
import { PlinthError } from '../schemas/errors.ts';
import type { projectionEvents } from '../schemas/events/projections.ts';
import { type Codec, NewerSchemaVersion, UndecodableEvent } from './codec.ts';
import { isSubjectStream } from './streams.ts';

const DISCARD: keyof typeof projectionEvents = 'projection.discard-requested';
/**
 * The projection whose discards count: where it stands still, a command must not go on. It is what verify
 * trusts, but for erasures, of which that one has nothing.
 */
function trustedProjection(stream: StreamId): string {
  return isSubjectStream(stream) ? 'key_list' : 'keys';
}

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
 * decoded is left out where an operator discarded it, as the read model does; otherwise it is told as what
 * it means for them: `stream_parked`, or `unavailable` where a newer release wrote it. Neither tells more
 * of the event than its type.
 *
 * @param whole the stream that the run is the beginning of: a discard may come after the run
 */
export async function decodeStream(
  codec: Pick<Codec, 'decode'>,
  events: readonly Recorded[],
  whole: readonly Recorded[] = events,
): Promise<readonly Decoded[]> {
  if (events.length === 0) return [];
  try {
    return await decodeOnce(codec, events).catch(async (error: unknown) => {
      if (!(error instanceof UndecodableEvent) || error instanceof NewerSchemaVersion) throw error;
      const discarded = await discardedVersions(codec, whole);
      if (!discarded.has(error.event.version)) throw error;
      return codec.decode(events.filter(({ version }) => !discarded.has(version)));
    });
  } catch (error) {
    if (error instanceof NewerSchemaVersion) {
      const detail = `A newer release wrote an event (${error.event.type}) that this one cannot read.`;
      throw new PlinthError('unavailable', detail, {}, { cause: error });
    }
    if (error instanceof UndecodableEvent) {
      const detail = `An event (${error.event.type}, version ${error.event.version}) cannot be read.`;
      throw new PlinthError('stream_parked', detail, {}, { cause: error });
    }
    throw error;
  }
}

/**
 * Versions that the runner of the trusted projection has dropped: a discard is obeyed only when it names
 * the event that the stream is parked at, which is the first unreadable one that is left.
 */
async function discardedVersions(
  codec: Pick<Codec, 'decode'>,
  events: readonly Recorded[],
): Promise<ReadonlySet<number>> {
  const discarded = new Set<number>();
  const unreadable: number[] = [];
  for (const event of events) {
    let decoded: Decoded;
    try {
      [decoded] = (await codec.decode([event])) as [Decoded];
    } catch (error) {
      if (!(error instanceof UndecodableEvent) || error instanceof NewerSchemaVersion) throw error;
      unreadable.push(event.version);
      continue;
    }
    if (decoded.type !== DISCARD) continue;
    const { projection, version } = decoded.data as { projection: string; version: number };
    if (projection === trustedProjection(event.stream) && version === unreadable[0])
      discarded.add(unreadable.shift()!);
  }
  return discarded;
}
