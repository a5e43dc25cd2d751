/** Copies a log into another: ids, bytes, nonces, versions and total order as they are, positions anew. */
import type { EventLog } from '../../commands/event-log.ts';
import { type Epoch, type Position, type Recorded, START } from '../../schemas/envelope.ts';
import { type CompareOptions, compareLogs, differingFields, type LogDifference } from './compare-logs.ts';
import type { LogWriter } from './log-writer.ts';

const BATCH_EVENTS = 500;

export interface CopyLogOptions {
  readonly from: Pick<EventLog, 'readAll' | 'head'>;
  readonly to: Pick<EventLog, 'readAll' | 'head'> & { mintEpoch(): Promise<Epoch> };
  readonly writer: LogWriter;
  readonly signal?: AbortSignal;
  /** `checked`: events that were there already, of a copy that was ended. */
  readonly onProgress?: (progress: { readonly checked: number; readonly copied: number }) => void;
}

export interface CopiedLog {
  /** Events that the copy had before. */
  readonly checked: number;
  readonly copied: number;
  /** Of the copy: a new one whenever something was copied. */
  readonly epoch: Epoch;
}

/** The log to copy to holds something else. */
export class NotACopy extends Error {
  override readonly name = 'NotACopy';
  constructor(difference: LogDifference) {
    super(
      `The log that is copied to holds other events: ${describeDifference(difference)} Copy into an empty log.`,
    );
  }
}

/**
 * Goes on where an earlier copy was ended: what the copy holds already is compared first, then the rest is
 * written and read back. Ends at the end of `from` as it is when it is reached. Throws `NotACopy`,
 * `LogInUse`, and what the logs throw.
 */
export async function copyLog(options: CopyLogOptions): Promise<CopiedLog> {
  const { from, to, writer, signal, onProgress } = options;
  const compare: CompareOptions = {
    ...(signal && { signal }),
    onProgress: (checked) => onProgress?.({ checked, copied: 0 }),
  };
  const prefix = await compareLogs(from, to, compare);
  const { difference, events: checked } = prefix;
  if (difference !== null && difference.right !== null) throw new NotACopy(difference);
  let { left, right } = prefix;
  let copied = 0;
  for (;;) {
    signal?.throwIfAborted();
    const { events, through } = await from.readAll(left, BATCH_EVENTS);
    if (events.length === 0) break;
    await writer.write(right, events);
    const written = await readBack(to, right, events.length);
    for (const [index, event] of events.entries()) {
      const copy = written[index];
      const fields = copy ? differingFields(event, copy) : [];
      if (!copy || fields.length > 0) {
        throw new NotACopy({ index: checked + copied + index, fields, left: event, right: copy ?? null });
      }
    }
    left = through;
    right = written.at(-1)!.position;
    copied += events.length;
    onProgress?.({ checked, copied });
  }
  // Whoever holds a position must notice that positions are others now.
  const epoch = copied > 0 && right !== START ? await to.mintEpoch() : (await to.head()).epoch;
  return { checked, copied, epoch };
}

/** Up to `count` events: engines end a slice of large ones early, and not at the same event. */
async function readBack(
  log: CopyLogOptions['to'],
  after: Position,
  count: number,
): Promise<readonly Recorded[]> {
  const read: Recorded[] = [];
  for (let at = after; read.length < count; ) {
    const { events, through } = await log.readAll(at, count - read.length);
    if (events.length === 0) break;
    read.push(...events);
    at = through;
  }
  return read;
}

/** For a person: which event differs, and in what. */
export function describeDifference({ index, fields, left, right }: LogDifference): string {
  const place = (event: LogDifference['left']) =>
    event === null ? 'nothing more' : `${event.type} ${event.id} (${event.stream}@${event.version})`;
  const what = fields.length > 0 ? `, which differ in ${fields.join(', ')}` : '';
  return `event ${index + 1} is ${place(left)} in the one and ${place(right)} in the other${what}.`;
}
