/** What was read from the log counts only while the log, asked afterwards, is the one that this process trusts. */
import type { EventLog } from '../../commands/event-log.ts';
import type { LastRead } from '../../commands/execute.ts';
import type { Freshness } from '../../projections/freshness.ts';
import { PlinthError } from '../../schemas/errors.ts';

const RETRY_AFTER_SECONDS = 1;
/** Each ends within a second. */
const MAX_ATTEMPTS = 3;

/**
 * Throws `PlinthError` `log_epoch_changed` or `unavailable` unless the log, asked after the call, is still the
 * one that this process trusts: in one that was replaced, or has lost its end, what is gone looks like what
 * never was.
 */
export type ConfirmLog = (last: LastRead) => Promise<void>;

export function confirmLog(freshness: Pick<Freshness, 'confirm' | 'halted'>): ConfirmLog {
  const extra = { retryAfterSeconds: RETRY_AFTER_SECONDS };
  const halt = (cause?: unknown) => {
    if (freshness.halted === null) return;
    throw new PlinthError('log_epoch_changed', freshness.halted, { extra }, { cause });
  };
  return async (last) => {
    // A log that is only slow is asked again: what was refused is refused, and none of it was done.
    for (let attempt = 1; ; attempt++) {
      try {
        await freshness.confirm(last);
        return halt();
      } catch (cause) {
        halt(cause);
        if (attempt < MAX_ATTEMPTS) continue;
        throw new PlinthError(
          'unavailable',
          'The log does not say that it is the one that was read before.',
          { extra },
          { cause },
        );
      }
    }
  };
}

/** The log for reads that are told to a client as they are. Those of commands are confirmed where one is refused. */
export function confirmedReads(
  log: Pick<EventLog, 'readStream'>,
  confirm: ConfirmLog,
): Pick<EventLog, 'readStream'> {
  return {
    async readStream(stream, options) {
      const events = await log.readStream(stream, options);
      const end = events.at(-1);
      await confirm(end ? { position: end.position, eventId: end.id } : null);
      return events;
    },
  };
}
