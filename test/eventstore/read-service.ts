/** Reads and subscriptions, of a stream or of all. */
import { serviceError } from './append-service.ts';
import type { Faults } from './faults.ts';
import type { RecordedLog, StoredEvent } from './recorded-log.ts';
import { type Grpc, grpc, type Streams, shared, streams } from './wire.ts';

type ReadCall = Grpc.ServerWritableStream<Streams.ReadReq, Streams.ReadResp>;
type ReadOptions = Streams.ReadReq.Options;

/** Considered events between two checkpoints of a filtered subscription, times its multiplier. */
const CHECKPOINT_WINDOW = 32;
const PAGE_EVENTS = 32;

export interface ReadContext {
  readonly log: RecordedLog;
  readonly faults: Faults;
  readonly subscriptions: Set<ReadCall>;
  readonly counts: { eventsRead: number };
}

export function read(context: ReadContext, call: ReadCall): void {
  const { faults, subscriptions } = context;
  call.on('error', () => {});
  const options = call.request.getOptions()!;
  if (faults.hang) return;
  const start = () => {
    if (options.hasSubscription()) {
      subscriptions.add(call);
      call.on('close', () => subscriptions.delete(call));
      subscribe(context, call, options);
    } else readPage(context, call, options);
  };
  if (faults.lateMs > 0) setTimeout(start, faults.lateMs);
  else start();
}

function readPage({ log, faults, counts }: ReadContext, call: ReadCall, options: ReadOptions): void {
  const backwards = options.getReadDirection() === 1;
  const count = Number(BigInt.asUintN(53, BigInt(options.getCount())));
  let found: readonly StoredEvent[];
  if (options.hasStream()) {
    const of = options.getStream()!;
    const identifier = of.getStreamIdentifier()!;
    const events = log.stream(Buffer.from(identifier.getStreamName_asU8()).toString());
    if (events === null) {
      const response = new streams.ReadResp();
      const missing = new streams.ReadResp.StreamNotFound();
      missing.setStreamIdentifier(identifier);
      response.setStreamNotFound(missing);
      call.write(response);
      call.end();
      return;
    }
    // From a revision on, itself included.
    if (backwards) {
      const upTo = of.hasRevision() ? BigInt(of.getRevision()) : null;
      const below = upTo === null ? events : events.filter(({ revision }) => revision <= upTo);
      found = (of.hasStart() ? events.slice(0, 1) : below).slice(-count).reverse();
    } else {
      const from = of.hasRevision() ? BigInt(of.getRevision()) : null;
      const rest =
        from === null ? (of.hasEnd() ? [] : events) : events.filter(({ revision }) => revision >= from);
      found = rest.slice(0, count);
    }
  } else {
    const of = options.getAll()!;
    const position = of.hasPosition() ? BigInt(of.getPosition()!.getCommitPosition()) : null;
    // The place is looked up in a file: between two records, or behind the last, is no record to read.
    const failing = position !== null && faults.failsReadsAt > 0;
    if (failing) faults.failsReadsAt -= 1;
    if (failing || (position !== null && log.all[log.indexAfter(position - 1n)]?.position !== position)) {
      call.emit('error', serviceError(grpc.status.UNKNOWN, 'Unexpected ReadAllResult: Error'));
      return;
    }
    if (backwards) {
      // What lies at the position itself is left out.
      const end = position === null ? log.all.length : log.indexAfter(position - 1n);
      found = log.all.slice(Math.max(0, of.hasStart() ? 0 : end - count), of.hasStart() ? 0 : end).reverse();
    } else {
      const first = position === null ? (of.hasEnd() ? log.all.length : 0) : log.indexAfter(position - 1n);
      found = log.all.slice(first, first + count);
    }
  }
  if (faults.endsReads > 0 && found.length > 0) {
    faults.endsReads -= 1;
    found = found.slice(0, found.length >> 1);
  }
  counts.eventsRead += found.length;
  writeAll(call, found, 0, options.hasAll() || !faults.omitsPositions);
}

/** As fast as the reader takes them. */
function writeAll(
  call: ReadCall,
  events: readonly StoredEvent[],
  from: number,
  withPositions: boolean,
): void {
  for (let i = from; i < events.length; i++) {
    if (call.cancelled) return;
    if (!call.write(eventResponse(events[i]!, withPositions))) {
      call.once('drain', () => writeAll(call, events, i + 1, withPositions));
      return;
    }
  }
  call.end();
}

/** Behind a position or revision, itself left out; then what is written, as it is written. */
function subscribe({ log, faults }: ReadContext, call: ReadCall, options: ReadOptions): void {
  const passes = filterOf(options);
  const window = CHECKPOINT_WINDOW * (options.getFilter()?.getCheckpointintervalmultiplier() || 1);
  let considered = 0;
  let live = false;
  let index: number;
  let wanted = (_: StoredEvent) => true;
  if (options.hasStream()) {
    const of = options.getStream()!;
    const name = Buffer.from(of.getStreamIdentifier()!.getStreamName_asU8()).toString();
    const after = of.hasRevision() ? BigInt(of.getRevision()) : -1n;
    wanted = (event) => event.stream === name && event.revision > after;
    index = of.hasEnd() ? log.all.length : 0;
  } else {
    const of = options.getAll()!;
    index = of.hasPosition()
      ? log.indexAfter(BigInt(of.getPosition()!.getCommitPosition()))
      : of.hasEnd()
        ? log.all.length
        : 0;
  }
  const confirmation = new streams.ReadResp();
  const confirmed = new streams.ReadResp.SubscriptionConfirmation();
  confirmed.setSubscriptionId(crypto.randomUUID());
  confirmation.setConfirmation(confirmed);
  call.write(confirmation);

  let pumping = false;
  const pump = () => {
    if (pumping || call.cancelled || faults.hang) return;
    pumping = true;
    for (let sent = 0; index < log.all.length; index++) {
      const event = log.all[index]!;
      considered += 1;
      if (wanted(event) && passes(event)) {
        sent += 1;
        if (!call.write(eventResponse(event)) || sent >= PAGE_EVENTS) {
          index += 1;
          setImmediate(() => {
            pumping = false;
            pump();
          });
          return;
        }
      }
      if (options.hasFilter() && considered % window === 0) call.write(checkpoint(event));
    }
    if (!live) {
      live = true;
      const caughtUp = new streams.ReadResp();
      caughtUp.setCaughtUp(new streams.ReadResp.CaughtUp());
      call.write(caughtUp);
    }
    pumping = false;
  };
  const unwatch = log.watch(pump);
  call.on('cancelled', unwatch);
  call.on('close', unwatch);
  pump();
}

function filterOf(options: ReadOptions): (event: StoredEvent) => boolean {
  const filter = options.getFilter();
  if (!filter) return () => true;
  const byType = filter.hasEventType();
  const expression = (byType ? filter.getEventType() : filter.getStreamIdentifier())!;
  const prefixes = expression.getPrefixList();
  const regex = expression.getRegex() ? new RegExp(expression.getRegex()) : null;
  return (event) => {
    const text = byType ? event.type : event.stream;
    if (event.stream === '$epoch-information') return false;
    return regex ? regex.test(text) : prefixes.some((prefix) => text.startsWith(prefix));
  };
}

function checkpoint({ position }: StoredEvent): Streams.ReadResp {
  const response = new streams.ReadResp();
  const at = new streams.ReadResp.Checkpoint();
  at.setCommitPosition(String(position));
  at.setPreparePosition(String(position));
  response.setCheckpoint(at);
  return response;
}

/** What a server writes where it has no position: -1, unsigned. */
const NO_POSITION = String(2n ** 64n - 1n);

function eventResponse(event: StoredEvent, withPosition = true): Streams.ReadResp {
  const position = withPosition ? String(event.position) : NO_POSITION;
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent();
  const id = new shared.UUID();
  id.setString(event.id);
  recorded.setId(id);
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(event.stream).toString('base64'));
  recorded.setStreamIdentifier(identifier);
  recorded.setStreamRevision(String(event.revision));
  recorded.setCommitPosition(position);
  recorded.setPreparePosition(position);
  const metadata = recorded.getMetadataMap();
  metadata.set('type', event.type);
  metadata.set('content-type', event.contentType);
  metadata.set('created', String(event.created));
  recorded.setCustomMetadata(event.metadata);
  recorded.setData(event.data);
  const readEvent = new streams.ReadResp.ReadEvent();
  readEvent.setEvent(recorded);
  if (withPosition) readEvent.setCommitPosition(position);
  else readEvent.setNoPosition(new shared.Empty());
  const response = new streams.ReadResp();
  response.setEvent(readEvent);
  return response;
}
