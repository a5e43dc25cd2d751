/** Append, batch append and delete, as the protocol has them. */
import type { Faults } from './faults.ts';
import type { AppendOutcome, ExpectedRevision, ProposedEvent, RecordedLog } from './recorded-log.ts';
import { Any, GoogleEmpty, type Grpc, grpc, type Streams, shared, status, streams } from './wire.ts';

const MAX_APPEND_BYTES = 1_048_576;
const FAILED = 2;

// biome-ignore lint/suspicious/noExplicitAny: the generated messages of several requests share these accessors
type Options = any;

export function expectedOf(options: Options): ExpectedRevision {
  if (options.hasRevision?.()) return BigInt(options.getRevision());
  if (options.hasStreamPosition?.()) return BigInt(options.getStreamPosition());
  if (options.hasNoStream()) return 'no_stream';
  return options.hasStreamExists() ? 'stream_exists' : 'any';
}

export function nameOf(options: Options): string {
  return Buffer.from(options.getStreamIdentifier().getStreamName_asU8()).toString();
}

function proposed(message: Options): ProposedEvent {
  const metadata = message.getMetadataMap();
  return {
    id: message.getId().getString(),
    type: metadata.get('type') ?? '',
    contentType: metadata.get('content-type') ?? 'application/octet-stream',
    data: message.getData_asU8(),
    metadata: message.getCustomMetadata_asU8(),
  };
}

export function serviceError(code: number, details: string, trailers: Record<string, string> = {}) {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
  return Object.assign(new Error(details), { code, details, metadata });
}

function bytesOf(events: readonly ProposedEvent[]): number {
  return events.reduce((sum, { data }) => sum + data.length, 0);
}

export function append(
  log: RecordedLog,
  faults: Faults,
  call: Grpc.ServerReadableStream<Streams.AppendReq, Streams.AppendResp>,
  answer: Grpc.sendUnaryData<Streams.AppendResp>,
): void {
  let options: Streams.AppendReq.Options | undefined;
  const events: ProposedEvent[] = [];
  call.on('data', (request: Streams.AppendReq) => {
    if (request.hasOptions()) options = request.getOptions();
    else events.push(proposed(request.getProposedMessage()!));
  });
  call.on('error', () => {});
  call.on('end', () => {
    if (faults.hang || !options) return;
    if (bytesOf(events) > MAX_APPEND_BYTES) {
      answer(
        serviceError(grpc.status.INVALID_ARGUMENT, 'Maximum Append Size Exceeded.', {
          exception: 'maximum-append-size-exceeded',
          'maximum-append-size': String(MAX_APPEND_BYTES),
        }),
      );
      return;
    }
    const outcome = log.append(nameOf(options), expectedOf(options), events);
    if (faults.losesAppends > 0) {
      faults.losesAppends -= 1;
      answer(serviceError(grpc.status.UNAVAILABLE, 'the connection was lost'));
      return;
    }
    const answered = appended(
      options,
      faults.omitsPositions && outcome.kind === 'success' ? { ...outcome, position: null } : outcome,
    );
    setTimeout(() => answer(...answered), faults.lateMs);
  });
}

function appended(
  options: Streams.AppendReq.Options,
  outcome: AppendOutcome,
): [ReturnType<typeof serviceError> | null, Streams.AppendResp | null] {
  const response = new streams.AppendResp();
  if (outcome.kind === 'stream_deleted') {
    const trailers = { exception: 'stream-deleted', 'stream-name': nameOf(options) };
    return [serviceError(grpc.status.FAILED_PRECONDITION, 'Event stream is deleted.', trailers), null];
  }
  if (outcome.kind === 'success') {
    const success = new streams.AppendResp.Success();
    success.setCurrentRevision(String(outcome.revision));
    if (outcome.position === null) success.setNoPosition(new shared.Empty());
    else {
      const position = new streams.AppendResp.Position();
      position.setCommitPosition(String(outcome.position));
      position.setPreparePosition(String(outcome.position));
      success.setPosition(position);
    }
    response.setSuccess(success);
    return [null, response];
  }
  const wrong = new streams.AppendResp.WrongExpectedVersion();
  if (outcome.current === null) wrong.setCurrentNoStream(new shared.Empty());
  else wrong.setCurrentRevision(String(outcome.current));
  if (options.hasRevision()) wrong.setExpectedRevision(options.getRevision());
  else if (options.hasNoStream()) wrong.setExpectedNoStream(new shared.Empty());
  else if (options.hasStreamExists()) wrong.setExpectedStreamExists(new shared.Empty());
  else wrong.setExpectedAny(new shared.Empty());
  response.setWrongExpectedVersion(wrong);
  return [null, response];
}

interface Pending {
  readonly options: Streams.BatchAppendReq.Options;
  readonly events: ProposedEvent[];
}

/** One stream for many appends, told apart by their correlation ids; options come with the first part. */
export function batchAppend(
  log: RecordedLog,
  faults: Faults,
  call: Grpc.ServerDuplexStream<Streams.BatchAppendReq, Streams.BatchAppendResp>,
): void {
  const pending = new Map<string, Pending>();
  call.on('error', () => {});
  call.on('end', () => call.end());
  call.on('data', (request: Streams.BatchAppendReq) => {
    const correlation = request.getCorrelationId()!;
    const name = correlation.getString();
    const one = pending.get(name) ?? { options: request.getOptions()!, events: [] };
    pending.set(name, one);
    one.events.push(...request.getProposedMessagesList().map(proposed));
    if (!request.getIsFinal()) return;
    pending.delete(name);
    if (faults.hang) return;
    const { options, events } = one;
    const outcome = log.append(nameOf(options), expectedOf(options), events);
    if (faults.losesAppends > 0) {
      faults.losesAppends -= 1;
      call.destroy(serviceError(grpc.status.UNAVAILABLE, 'the connection was lost'));
      return;
    }
    const response = new streams.BatchAppendResp();
    response.setCorrelationId(correlation);
    response.setStreamIdentifier(options.getStreamIdentifier());
    if (outcome.kind === 'success') {
      const success = new streams.BatchAppendResp.Success();
      success.setCurrentRevision(String(outcome.revision));
      if (outcome.position === null) success.setNoPosition(new GoogleEmpty());
      else {
        const position = new shared.AllStreamPosition();
        position.setCommitPosition(String(outcome.position));
        position.setPreparePosition(String(outcome.position));
        success.setPosition(position);
      }
      response.setSuccess(success);
    } else {
      response.setError(failed(options, outcome));
    }
    setTimeout(() => call.write(response), faults.lateMs);
  });
}

function failed(options: Streams.BatchAppendReq.Options, outcome: AppendOutcome) {
  const packed = new Any();
  if (outcome.kind === 'wrong_expected_version') {
    const wrong = new shared.WrongExpectedVersion();
    if (outcome.current === null) wrong.setCurrentNoStream(new GoogleEmpty());
    else wrong.setCurrentStreamRevision(String(outcome.current));
    const expected = expectedOf(options);
    if (expected === 'no_stream') wrong.setExpectedNoStream(new GoogleEmpty());
    else if (expected === 'stream_exists') wrong.setExpectedStreamExists(new GoogleEmpty());
    else if (expected === 'any') wrong.setExpectedAny(new GoogleEmpty());
    else wrong.setExpectedStreamPosition(String(expected));
    packed.pack(wrong.serializeBinary(), 'event_store.client.WrongExpectedVersion');
  } else {
    const deleted = new shared.StreamDeleted();
    deleted.setStreamIdentifier(options.getStreamIdentifier());
    packed.pack(deleted.serializeBinary(), 'event_store.client.StreamDeleted');
  }
  const error = new status.Status();
  error.setCode(FAILED);
  error.setMessage(outcome.kind);
  error.setDetails(packed);
  return error;
}

export function deleteStream(
  log: RecordedLog,
  call: Grpc.ServerUnaryCall<Streams.DeleteReq, Streams.DeleteResp>,
  answer: Grpc.sendUnaryData<Streams.DeleteResp>,
): void {
  const options = call.request.getOptions()!;
  const expected = expectedOf(options);
  const outcome = log.delete(nameOf(options), expected);
  if (outcome.kind !== 'success') {
    const version = { any: '-2', no_stream: '-1', stream_exists: '-4' }[String(expected)] ?? String(expected);
    const actual = outcome.kind === 'wrong_expected_version' ? (outcome.current ?? -1n) : -1n;
    answer(
      serviceError(grpc.status.FAILED_PRECONDITION, 'wrong expected version', {
        exception: 'wrong-expected-version',
        'stream-name': nameOf(options),
        'expected-version': version,
        'actual-version': String(actual),
      }),
    );
    return;
  }
  const response = new streams.DeleteResp();
  const position = new streams.DeleteResp.Position();
  position.setCommitPosition(String(outcome.position));
  position.setPreparePosition(String(outcome.position));
  response.setPosition(position);
  answer(null, response);
}
