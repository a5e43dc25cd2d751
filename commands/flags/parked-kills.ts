/**
 * Kills that wait. Behind an event that cannot be projected the rows of an environment stay what they were,
 * which is served on; a flag that is killed meanwhile must stop all the same. Of what waits nothing else
 * counts: not even an event that would bring a killed flag back, for what it rests on is not known. Whoever
 * kills and thinks better of it while the stream is parked is heard when it is replayed.
 */

import type { Position, StreamId } from '../../schemas/envelope.ts';
import type { PublicEnvironmentEvent } from '../../schemas/events/flags.ts';
import { type Codec, UndecodableEvent } from '../codec.ts';
import type { EventLog } from '../event-log.ts';

export interface ParkedKills {
  /** Version of the first event that waits. */
  readonly parkedAt: number;
  /** Of the last kill. */
  readonly position: Position;
  readonly flags: ReadonlySet<string>;
}

/** Null: no kill waits. Reads all that waits, as a replay does; a kill that cannot be read names no flag. */
export async function killsBehind(
  { log, codec }: { readonly log: Pick<EventLog, 'readStream'>; readonly codec: Pick<Codec, 'decodePublic'> },
  stream: StreamId,
  version: number,
): Promise<ParkedKills | null> {
  const flags = new Set<string>();
  let position: Position | null = null;
  for (const recorded of await log.readStream(stream, { after: version - 1 })) {
    if (recorded.type !== 'flag.killed') continue;
    try {
      const event = codec.decodePublic(recorded) as PublicEnvironmentEvent & { type: 'flag.killed' };
      flags.add(event.data.flag);
      position = event.position;
    } catch (error) {
      if (!(error instanceof UndecodableEvent)) throw error;
    }
  }
  return position === null ? null : { parkedAt: version, position, flags };
}
