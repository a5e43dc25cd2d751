/** A log as the platform runs it: the port, and what operators and metrics need besides. */
import type { EventLog } from '../../commands/event-log.ts';
import type { Epoch, Recorded } from '../../schemas/envelope.ts';

export interface PlatformLog extends EventLog {
  /** The history from here on is another one: after a restore, an import or a copy. Answers its epoch. */
  mintEpoch(): Promise<Epoch>;
  /** The newest events, at most so many, oldest first. */
  newest(count: number): Promise<readonly Recorded[]>;
  /** Appends that have not been answered. */
  waitingAppends(): number;
}
