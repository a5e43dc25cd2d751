/**
 * Changes as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). OFREP 0.3
 * takes events of no name with JSON data and acts on `refetchEvaluation`; it ignores every other type, so
 * what is our own is told beside it.
 */
import { type Epoch, type Position, positionToken } from '../../schemas/envelope.ts';
import type { Changed } from './environment-change.ts';
import type { FlagsUse } from './flags-use.ts';

/** A comment: keeps proxies from closing what is silent. */
export const HEARTBEAT = ':\n\n';

/** Of a stream that begins. `retryMs`: how long its reader waits before it comes again. */
export function openingText(retryMs: number): string {
  return `retry: ${retryMs}\n\n`;
}

/** Gives a reader that has seen nothing an id to come back with. Some keep only those of events with data. */
export function openedText(epoch: Epoch, position: Position): string {
  return message({ type: 'opened' }, positionToken(epoch, position));
}

export interface Notice {
  readonly epoch: Epoch;
  /** What a reader has seen with it; null: not known. */
  readonly position: Position | null;
  /** What it should see when it fetches. */
  readonly through: Position | null;
  readonly flags: Changed['flags'];
  readonly urgent: boolean;
}

/** By use: a client's key is public, and must not learn the names of flags that it may not see. */
export function noticeTexts(notice: Notice): Readonly<Record<FlagsUse, string>> {
  const { epoch, position, through, flags, urgent } = notice;
  const etag = through === null ? undefined : positionToken(epoch, through);
  const refetch = message(
    { type: 'refetchEvaluation', etag },
    position === null ? undefined : positionToken(epoch, position),
  );
  // The id comes last: whoever is cut between the two is told both again.
  const told = (named: Changed['flags']) =>
    message({ type: 'flagsChanged', flags: named ?? undefined, urgent }) + refetch;
  return { 'flags-client': told(null), 'flags-server': told(flags) };
}

function message(data: object, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
}
