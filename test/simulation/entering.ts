/** Writers of a simulation: an event at a time, by ids that its seed makes. */
import type { EventLog } from '../../commands/event-log.ts';
import { uuidv5 } from '../../commands/ids.ts';
import type { CommandId, EventId, Metadata, Position, StreamId } from '../../schemas/envelope.ts';
import { plainCodec } from './plain-codec.ts';
import type { Scheduler } from './scheduler.ts';

let minted = 0;

/** Appends one event to the stream, whatever its version; answers where. */
export async function enter(
  log: EventLog,
  scheduler: Scheduler,
  stream: StreamId,
  type: string,
  data: object,
  tenant = 'tnt_1',
): Promise<Position> {
  minted += 1;
  const commandId = uuidv5('sim', String(scheduler.seed), String(minted)) as CommandId;
  const metadata: Metadata = {
    tenant,
    actor: 'key_1',
    commandId,
    requestDigest: null,
    correlationId: commandId,
    causationId: null,
    traceparent: null,
  };
  const events = await plainCodec.encode([
    {
      id: commandId as unknown as EventId,
      type,
      data,
      timeMs: scheduler.now(),
      nonce: new Uint8Array(16),
      metadata,
    },
  ]);
  const answer = await log.append(stream, 'any', events);
  if (!answer.ok) throw new Error('an append without a demand cannot conflict');
  return answer.position;
}
