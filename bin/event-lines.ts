/** An event of the log as one line for a person, or as one object for a program. */
import { type Codec, NewerSchemaVersion } from '../commands/codec.ts';
import { describe } from '../projections/parking.ts';
import { type DecodedEvent, type Epoch, positionToken, type Recorded } from '../schemas/envelope.ts';

export interface EventLine {
  readonly text: string;
  readonly json: object;
}

/**
 * Personal fields in the clear, as far as they open. One that cannot be read at all, damaged or of a newer
 * release, is told by where it is, what it calls itself, and why: those behind it are printed all the same.
 */
export async function eventLine(
  codec: Pick<Codec, 'decode' | 'decodePublic'>,
  recorded: Recorded,
  epoch: Epoch,
): Promise<EventLine> {
  try {
    const [event] = await codec.decode([recorded]).catch(() => [codec.decodePublic(recorded)]);
    return readable(event!, epoch);
  } catch (error) {
    return unreadable(recorded, epoch, error);
  }
}

function readable(event: DecodedEvent, epoch: Epoch): EventLine {
  const { timeMs, position, ...rest } = event;
  const told = [event.type, event.metadata.actor, JSON.stringify(event.data)];
  return {
    text: [...placeOf(event), ...told].join('  '),
    json: { position: positionToken(epoch, position), time: new Date(timeMs).toISOString(), ...rest },
  };
}

/** Nothing of its bytes: what is personal in them is not known. */
function unreadable(event: Recorded, epoch: Epoch, error: unknown): EventLine {
  const { id, type, schemaVersion, stream, version, position, timeMs } = event;
  const why = error instanceof NewerSchemaVersion ? 'a newer release has written it' : describe(error);
  const time = new Date(timeMs).toISOString();
  return {
    text: [...placeOf(event), type, `cannot be read (${why})`, `id ${id}`].join('  '),
    json: {
      ...{ position: positionToken(epoch, position), time, id, type, schemaVersion, stream, version },
      unreadable: why,
    },
  };
}

function placeOf({ position, timeMs, stream, version }: Recorded | DecodedEvent): readonly string[] {
  return [position, new Date(timeMs).toISOString(), `${stream}@${version}`];
}
