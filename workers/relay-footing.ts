/** Whether a relay may go on from where the topics say that it stands, and what it halts at. */
import type { EventLog } from '../commands/event-log.ts';
import { historyMismatch } from '../projections/history-check.ts';
import { type Recorded, START } from '../schemas/envelope.ts';
import { firstRecord } from './relay-batch.ts';
import type { Footing, RelayRecord } from './relay-topics.ts';

/** Going on would lose or double something: an operator must act. */
export class RelayHalted extends Error {
  override readonly name = 'RelayHalted';
}

/** Where this relay goes on, and whether it begins there under a log that holds events. Throws `RelayHalted` where it may not. */
export async function resumeFrom(
  log: Pick<EventLog, 'head' | 'eventIdAt'>,
  { record, topicsHoldRecords, lastGeneration }: Footing,
  partitions: number,
): Promise<{ readonly record: RelayRecord; readonly behindLog: boolean }> {
  if (record === null) {
    if (topicsHoldRecords) {
      throw new RelayHalted(
        `The topics hold records, and where the relay stood is not known: its position topic was lost. ${RESTART}`,
      );
    }
    const { epoch, position } = await log.head();
    // Topics that are there may have another number of partitions.
    const first = firstRecord(lastGeneration + 1, partitions, { epoch, position: START, eventId: null });
    return { record: first, behindLog: position !== START };
  }
  const mismatch = await historyMismatch(log, record.bookmark);
  if (mismatch !== null) throw replaced(mismatch);
  return { record, behindLog: false };
}

const RESTART =
  'Run `plinth relay restart`: a new generation of topics begins at the end of the log, and consumers take what lies before it from the log.';

export function replaced(mismatch: string): RelayHalted {
  return new RelayHalted(
    `The log under the relay was replaced: ${mismatch}. If it was restored or copied, run \`plinth log restored\`. ${RESTART}`,
  );
}

export function unknownStream({ stream, position }: Recorded): RelayHalted {
  return new RelayHalted(
    `At ${position} there is an event of stream ${stream}, which this release has no topic for: a newer one has written it. Upgrade the relay.`,
  );
}
