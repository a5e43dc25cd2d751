/**
 * The contract of the event log. An adapter inherits it in a few lines:
 *
 *     eventLogContract('the log in X', { open: async (t) => ({ log: await openLogX(…) }) });
 */
import { describe, type TestContext } from 'node:test';
import type { EventLog } from '../../commands/event-log.ts';
import { appendContract } from './event-log-appends.ts';
import { bytesContract } from './event-log-bytes.ts';
import { followContract } from './event-log-follow.ts';

export interface OpenedLog {
  readonly log: EventLog;
  /** The same log as another process has it open, where there can be one. */
  readonly elsewhere?: EventLog;
  /** Opens a transaction that has an older id than whatever is appended later; answers how to end it. */
  openOlderTransaction?(): Promise<() => Promise<void>>;
}

export interface EventLogContractOptions {
  /** A fresh, empty log, closed after the test. */
  open(t: TestContext): Promise<OpenedLog>;
  /**
   * `log`: an id that is used anywhere in the log is refused. `stream`: only one that is used in the same
   * stream, where the append would stand; nothing else is seen by the engine.
   */
  readonly idsAreUniqueIn: 'log' | 'stream';
}

export function eventLogContract(name: string, options: EventLogContractOptions): void {
  describe(name, () => {
    appendContract(options);
    bytesContract(options);
    followContract(options);
  });
}
