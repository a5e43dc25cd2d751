/**
 * Replay and discard are events on the parked stream itself. That stream may hold what cannot be decoded,
 * so nothing but its envelopes is read.
 */
import type { DecodedEvent, Metadata, Recorded, StreamId } from '../../schemas/envelope.ts';
import type { ProjectionEvent } from '../../schemas/events/projections.ts';
import type { Codec } from '../codec.ts';
import type { Decider } from '../decider.ts';
import { type CommandContext, type ExecuteDeps, execute, type Outcome } from '../execute.ts';

const decider: Decider<null, ProjectionEvent, ProjectionEvent> = {
  initial: null,
  evolve: () => null,
  decide: (event) => ({ accept: [event] }),
};

/** Asks the runner of a projection to replay what waits in `stream`, or to drop its first event. */
export function requestOnParked(
  deps: ExecuteDeps,
  context: CommandContext,
  stream: StreamId,
  request: ProjectionEvent,
): Promise<Outcome<null>> {
  return execute<null, ProjectionEvent, ProjectionEvent>(
    { ...deps, codec: envelopesOnly(deps.codec) },
    { decider, stream, context, command: () => request },
  );
}

/** Encodes as ever, and decodes nothing but metadata. */
function envelopesOnly(codec: Codec): Codec {
  return {
    encode: (events) => codec.encode(events),
    decode: async (events) => events.map((event) => ({ ...envelopeOf(event), erased: [], lost: [] })),
    decodePublic: (event) => ({ ...envelopeOf(event), erased: null, lost: null }),
  };
}

/** The event without what it says. */
export function envelopeOf(event: Recorded): DecodedEvent {
  const { id, type, stream, version, position, timeMs } = event;
  const metadata = metadataOf(event);
  return { id, type, stream, version, position, timeMs, metadata, data: null };
}

/** As it was written; the tenant of a stream is that of its first event. */
export function metadataOf(event: Pick<Recorded, 'metadata'>): Metadata {
  return JSON.parse(Buffer.from(event.metadata).toString('utf8')) as Metadata;
}
