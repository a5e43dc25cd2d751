/** One append: its events in, what the server answers out. */
import type { Expected } from '../../../commands/event-log.ts';
import type { NewEvent, StreamId } from '../../../schemas/envelope.ts';
import { type EventStoreConnection, shared, streams } from './client.ts';
import { encodeBody } from './event-body.ts';
import { type AllPosition, LAST_PART } from './positions.ts';

export interface RawEvent {
  readonly id: string;
  readonly type: string;
  readonly body: Uint8Array;
}

export type AppendAnswer =
  | {
      readonly ok: true;
      /** Of the last event, from 0. */
      readonly revision: bigint;
      /** Null: it was there already, and the server does not say where. */
      readonly position: AllPosition | null;
    }
  /** Null: there is no such stream. */
  | { readonly ok: false; readonly current: bigint | null };

export function rawEvent(event: NewEvent): RawEvent {
  return { id: event.id, type: event.type, body: encodeBody(event) };
}

/** Rejects when the outcome is unknown: sent again, it answers the original. */
export function appendCall(
  connection: EventStoreConnection,
  deadlineMs: number,
  stream: StreamId | string,
  expected: Expected,
  events: readonly RawEvent[],
): Promise<AppendAnswer> {
  return connection.call(
    'an append',
    deadlineMs,
    (client, metadata, options, running) =>
      new Promise((resolve, reject) => {
        const call = client.append(metadata, options, (error, response) => {
          if (error) return reject(error);
          const success = response.getSuccess();
          const wrong = response.getWrongExpectedVersion();
          if (success) {
            const position = success.getPosition();
            const commit = BigInt(position?.getCommitPosition() ?? 0);
            const prepare = BigInt(position?.getPreparePosition() ?? 0);
            return resolve({
              ok: true,
              revision: BigInt(success.getCurrentRevision()),
              position: commit > 0n && commit <= LAST_PART ? { commit, prepare } : null,
            });
          }
          if (!wrong) return reject(new Error('the server answered an append with nothing'));
          resolve({
            ok: false,
            current: wrong.hasCurrentRevision() ? BigInt(wrong.getCurrentRevision()) : null,
          });
        });
        running(call);
        call.on('error', reject);
        for (const request of requests(stream, expected, events)) call.write(request);
        call.end();
      }),
  );
}

function* requests(stream: string, expected: Expected, events: readonly RawEvent[]) {
  const options = new streams.AppendReq.Options();
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream).toString('base64'));
  options.setStreamIdentifier(identifier);
  if (expected === 'any') options.setAny(new shared.Empty());
  else if (expected === 0) options.setNoStream(new shared.Empty());
  else options.setRevision(String(expected - 1));
  const header = new streams.AppendReq();
  header.setOptions(options);
  yield header;
  for (const event of events) {
    const message = new streams.AppendReq.ProposedMessage();
    const id = new shared.UUID();
    id.setString(event.id);
    message.setId(id);
    message.getMetadataMap().set('type', event.type);
    message.getMetadataMap().set('content-type', 'application/octet-stream');
    message.setData(event.body);
    const request = new streams.AppendReq();
    request.setProposedMessage(message);
    yield request;
  }
}
