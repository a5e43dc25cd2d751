import type { Decoded, DecodedEvent, Recorded, StreamId } from '../schemas/envelope.ts';
import { PlinthError } from '../schemas/errors.ts';
import type { projectionEvents } from '../schemas/events/projections.ts';
import { type Codec, NewerSchemaVersion, UndecodableEvent } from './codec.ts';
import { isFlagStream, isSubjectStream } from './streams.ts';

const DISCARD: keyof typeof projectionEvents = 'projection.discard-requested';
/**
 * The projection whose discards count: where it stands still, a command must not go on. It is what verify
 * and the serving of flags trust, but for erasures, of which neither has anything.
 */
function trustedProjection(stream: StreamId): string {
  if (isSubjectStream(stream)) return 'key_list';
  return isFlagStream(stream) ? 'flags' : 'keys';
}

/** The log answers those who read the same at the same time with one array: it is decoded once for them. */
const decoding = new WeakMap<
  readonly Recorded[],
  { codec: object; decoded: Promise<readonly DecodedEvent[]> }
>();

export type StreamDecoder = Pick<Codec, 'decode' | 'decodePublic'>;

/** One for each codec, so that those who read the same at the same time share here as well. */
const publicDecoders = new WeakMap<StreamDecoder, StreamDecoder>();

/** The same with nothing opened: for a stream that is decoded in public, whatever is damaged in it. */
export function publicDecoder(codec: StreamDecoder): StreamDecoder {
  const known = publicDecoders.get(codec);
  if (known) return known;
  const decoder: StreamDecoder = {
    // What a public one lacks is what became of its personal fields, which nobody here asks.
    decode: async (events) => events.map((event) => codec.decodePublic(event) as unknown as Decoded),
    decodePublic: (event) => codec.decodePublic(event),
  };
  publicDecoders.set(codec, decoder);
  return decoder;
}

function decodeOnce(codec: StreamDecoder, events: readonly Recorded[]): Promise<readonly DecodedEvent[]> {
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
 * Decodes a run of one stream for somebody who asks about that stream alone. An event whose personal fields
 * do not open counts with what it says in public, as for verify: whoever could not go on from it could not
 * revoke a key that verify finds valid. One that cannot be decoded at all is left out where an operator
 * discarded it, as the read model does; otherwise it is told as what it means for them: `stream_parked`, or
 * `unavailable` where a newer release wrote it. Neither tells more of the event than its type.
 *
 * @param whole the stream that the run is the beginning of: a discard may come after the run
 */
export async function decodeStream(
  codec: StreamDecoder,
  events: readonly Recorded[],
  whole: readonly Recorded[] = events,
): Promise<readonly DecodedEvent[]> {
  if (events.length === 0) return [];
  try {
    return await decodeOnce(codec, events).catch(async (error: unknown) => {
      if (!isUnreadable(error)) throw error;
      return decodeDamaged(codec, events, whole);
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
 * One by one. Of those that cannot be read the runner of the trusted projection has dropped what was
 * discarded: a discard is obeyed only when it names the event that the stream is parked at, which is the
 * first unreadable one that is left.
 */
async function decodeDamaged(
  codec: StreamDecoder,
  events: readonly Recorded[],
  whole: readonly Recorded[],
): Promise<readonly DecodedEvent[]> {
  const decoded = new Map<number, DecodedEvent>();
  const unreadable = new Map<number, UndecodableEvent>();
  for (const event of whole) {
    try {
      decoded.set(event.version, await decodeOne(codec, event));
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      unreadable.set(event.version, error);
      continue;
    }
    const { type, data } = decoded.get(event.version)!;
    if (type !== DISCARD) continue;
    const { projection, version } = data as { projection: string; version: number };
    const [parkedAt] = unreadable.keys();
    if (projection === trustedProjection(event.stream) && version === parkedAt) unreadable.delete(version);
  }
  const { version: last } = events.at(-1)!;
  for (const [version, error] of unreadable) if (version <= last) throw error;
  return events.flatMap(({ version }) => decoded.get(version) ?? []);
}

/** In public alone where its personal fields do not open. */
export async function decodeOne(codec: StreamDecoder, event: Recorded): Promise<DecodedEvent> {
  try {
    return (await codec.decode([event]))[0]!;
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return codec.decodePublic(event);
  }
}

/** For good: neither will another try read it nor a newer release. */
function isUnreadable(error: unknown): error is UndecodableEvent {
  return error instanceof UndecodableEvent && !(error instanceof NewerSchemaVersion);
}
