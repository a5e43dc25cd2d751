/** One page of a stream or of all, read from the leader. */
import type * as Streams from '@eventstore/db-client/generated/streams_pb.js';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { type EventStoreConnection, shared, streams } from './client.ts';
import type { AllPosition } from './positions.ts';

/** As the server has it; system events too. */
export interface RawRecord {
  readonly id: string;
  readonly type: string;
  readonly stream: string;
  readonly revision: bigint;
  /** Null: the server does not say. */
  readonly position: AllPosition | null;
  readonly body: Uint8Array;
}

export type ReadFrom =
  | { readonly stream: string; readonly from: bigint | 'start' | 'end' }
  | { readonly all: AllPosition | 'start' | 'end' };

export interface ReadOptions {
  readonly count: number;
  readonly backwards?: boolean;
  readonly deadlineMs: number;
  /** The page ends early rather than be larger. */
  readonly maxBytes?: number;
}

export interface RawPage {
  readonly records: readonly RawRecord[];
  /** It ended early, at `maxBytes`. */
  readonly cut: boolean;
}

/** Rejects when it was not read to the end of what the server would send. A missing stream has no records. */
export function readCall(
  connection: EventStoreConnection,
  where: ReadFrom,
  { count, backwards = false, deadlineMs, maxBytes = Number.POSITIVE_INFINITY }: ReadOptions,
): Promise<RawPage> {
  return connection.call(
    'a read',
    deadlineMs,
    (client, metadata, options) =>
      new Promise((resolve, reject) => {
        const call = client.read(request(where, count, backwards), metadata, options);
        const records: RawRecord[] = [];
        let bytes = 0;
        let cut = false;
        call.on('data', (response: Streams.ReadResp) => {
          if (cut || !response.hasEvent()) return;
          const record = recordOf(response.getEvent()!);
          if (record === null) return;
          records.push(record);
          bytes += record.body.length;
          if (bytes < maxBytes) return;
          cut = true;
          // What it ends with then is our own doing.
          call.cancel();
        });
        call.on('error', (error) => (cut ? resolve({ records, cut }) : reject(error)));
        // `end` alone says nothing: a call that is cancelled ends as well.
        call.on('status', ({ code, details }) => {
          if (code === 0 || cut) resolve({ records, cut });
          else reject(Object.assign(new Error(details), { code, details }));
        });
      }),
  );
}

/** Follows all that is no system event, from now on; ends with an error or without one, both alike. */
export function followCall(
  connection: EventStoreConnection,
  told: (record: RawRecord | 'confirmed') => void,
  signal: AbortSignal,
): Promise<void> {
  return connection.call('a subscription', null, (client, metadata, options) => {
    const requested = request({ all: 'end' }, null, false);
    const call: ClientReadableStream<Streams.ReadResp> = client.read(requested, metadata, options);
    return new Promise((resolve, reject) => {
      const abort = () => call.cancel();
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
      call.on('data', (response: Streams.ReadResp) => {
        if (response.hasConfirmation()) told('confirmed');
        const record = response.hasEvent() ? recordOf(response.getEvent()!) : null;
        if (record) told(record);
      });
      call.on('error', (error) => (signal.aborted ? resolve() : reject(error)));
      call.on('status', () => {
        signal.removeEventListener('abort', abort);
        resolve();
      });
    });
  });
}

/** `count` null: a subscription. */
function request(where: ReadFrom, count: number | null, backwards: boolean): Streams.ReadReq {
  const options = new streams.ReadReq.Options();
  if ('stream' in where) {
    const of = new streams.ReadReq.Options.StreamOptions();
    const identifier = new shared.StreamIdentifier();
    identifier.setStreamName(Buffer.from(where.stream).toString('base64'));
    of.setStreamIdentifier(identifier);
    if (where.from === 'start') of.setStart(new shared.Empty());
    else if (where.from === 'end') of.setEnd(new shared.Empty());
    else of.setRevision(String(where.from));
    options.setStream(of);
  } else {
    const of = new streams.ReadReq.Options.AllOptions();
    if (where.all === 'start') of.setStart(new shared.Empty());
    else if (where.all === 'end') of.setEnd(new shared.Empty());
    else {
      const position = new streams.ReadReq.Options.Position();
      position.setCommitPosition(String(where.all.commit));
      position.setPreparePosition(String(where.all.prepare));
      of.setPosition(position);
    }
    options.setAll(of);
  }
  options.setReadDirection(backwards ? 1 : 0);
  options.setResolveLinks(false);
  const uuid = new streams.ReadReq.Options.UUIDOption();
  uuid.setString(new shared.Empty());
  options.setUuidOption(uuid);
  if (count === null) {
    options.setSubscription(new streams.ReadReq.Options.SubscriptionOptions());
    const filter = new streams.ReadReq.Options.FilterOptions();
    const expression = new streams.ReadReq.Options.FilterOptions.Expression();
    expression.setRegex('^[^$]');
    filter.setEventType(expression);
    filter.setCount(new shared.Empty());
    filter.setCheckpointintervalmultiplier(1);
    options.setFilter(filter);
  } else {
    options.setCount(String(count));
    options.setNoFilter(new shared.Empty());
  }
  const req = new streams.ReadReq();
  req.setOptions(options);
  return req;
}

function recordOf(read: Streams.ReadResp.ReadEvent): RawRecord | null {
  const event = read.getEvent();
  if (!event) return null;
  const commit = event.getCommitPosition();
  const prepare = event.getPreparePosition();
  // Where a position is missing the generated code answers 0, which is none of an event.
  const there = commit !== '0' || prepare !== '0';
  return {
    id: event.getId()!.getString(),
    type: event.getMetadataMap().get('type') ?? '',
    stream: Buffer.from(event.getStreamIdentifier()!.getStreamName_asU8()).toString(),
    revision: BigInt(event.getStreamRevision()),
    position: there ? { commit: BigInt(commit), prepare: BigInt(prepare) } : null,
    body: event.getData_asU8(),
  };
}
