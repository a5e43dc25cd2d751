/** One page of a stream or of all, read from the leader. */
import type * as Streams from '@eventstore/db-client/generated/streams_pb.js';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { type EventStoreConnection, EventStoreUnavailable, shared, streams } from './client.ts';
import { type AllPosition, LAST_PART } from './positions.ts';

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
  /** The page ends with the record of which this is true. */
  readonly last?: (record: RawRecord) => boolean;
}

export interface RawPage {
  readonly records: readonly RawRecord[];
  /** There is no such stream, in the server's own words. */
  readonly missing: boolean;
}

/** A read with its deadline. */
export type Read = (where: ReadFrom, page: Omit<ReadOptions, 'deadlineMs'>) => Promise<RawPage>;

/**
 * The server ended a read well, and before what must be there. Nothing in the protocol tells such an end
 * from a whole read: whoever takes a short page for the end of something must know it from elsewhere.
 */
export function endedEarly(what: string): EventStoreUnavailable {
  return new EventStoreUnavailable(`EventStoreDB ended a read of ${what} before it was complete`);
}

/**
 * Rejects when the call was not ended well. A page that is shorter than `count` proves nothing: see
 * `endedEarly`.
 */
export function readCall(
  connection: EventStoreConnection,
  where: ReadFrom,
  { count, backwards = false, deadlineMs, maxBytes = Number.POSITIVE_INFINITY, last }: ReadOptions,
): Promise<RawPage> {
  return connection.call(
    'a read',
    deadlineMs,
    (client, metadata, options, running) =>
      new Promise((resolve, reject) => {
        const call = client.read(request(where, count, backwards), metadata, options);
        running(call);
        const records: RawRecord[] = [];
        let bytes = 0;
        let missing = false;
        let cut = false;
        call.on('data', (response: Streams.ReadResp) => {
          if (response.hasStreamNotFound()) missing = true;
          const record = !cut && response.hasEvent() ? recordOf(response.getEvent()!) : null;
          if (record === null) return;
          records.push(record);
          bytes += record.body.length;
          if (bytes < maxBytes && !last?.(record)) return;
          cut = true;
          resolve({ records, missing });
          // What it ends with then is our own doing.
          call.cancel();
        });
        call.on('error', (error) => !cut && reject(error));
        // `end` alone says nothing: a call that is cancelled ends as well.
        call.on('status', ({ code, details }) => {
          if (code === 0) resolve({ records, missing });
          else if (!cut) reject(Object.assign(new Error(details), { code, details }));
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
  return connection.call('a subscription', null, (client, metadata, options, running) => {
    const requested = request({ all: 'end' }, null, false);
    const call: ClientReadableStream<Streams.ReadResp> = client.read(requested, metadata, options);
    running(call);
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
  const commit = BigInt(event.getCommitPosition());
  const prepare = BigInt(event.getPreparePosition());
  // Where it has none, a server writes -1, unsigned; where the field is missing, the generated code answers
  // 0, which is none of an event: the log begins with a record of its own.
  const there = !read.hasNoPosition() && commit > 0n && commit <= LAST_PART && prepare <= LAST_PART;
  return {
    id: event.getId()!.getString(),
    type: event.getMetadataMap().get('type') ?? '',
    stream: Buffer.from(event.getStreamIdentifier()!.getStreamName_asU8()).toString(),
    revision: BigInt(event.getStreamRevision()),
    position: there ? { commit, prepare } : null,
    body: event.getData_asU8(),
  };
}
