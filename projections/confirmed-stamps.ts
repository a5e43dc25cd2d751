/**
 * Whether the log holds what a stamp of somebody else's making says. A process halts when the log loses its
 * tail; a place outside of it that keeps stamped things, as a cache that processes share, goes on holding
 * what was made from the lost part. So its stamps are compared with the log, each once.
 */
import type { EventLog } from '../commands/event-log.ts';
import type { EventId, Position } from '../schemas/envelope.ts';
import { eventMismatch } from './history-check.ts';
import type { Stamp } from './projection.ts';

const MAX_CONFIRMED = 1_000;

export class ConfirmedStamps {
  readonly #log: Pick<EventLog, 'eventIdAt'>;
  readonly #saw: (stamp: Stamp) => void;
  readonly #confirmed = new Map<Position, EventId | null>();
  #history = 0;

  /** @param saw from then on the stamp is compared with the log at every poll, as one of our own is */
  constructor(log: Pick<EventLog, 'eventIdAt'>, saw: (stamp: Stamp) => void) {
    this.#log = log;
    this.#saw = saw;
  }

  /** The stamp's epoch must be the current one. Rejects when the log cannot be asked. */
  async confirm(stamp: Stamp): Promise<boolean> {
    if (this.#holds(stamp)) return true;
    const history = this.#history;
    if ((await eventMismatch(this.#log, stamp)) !== null || history !== this.#history) return false;
    this.#confirmed.set(stamp.position, stamp.eventId);
    const oldest = this.#confirmed.keys().next();
    if (this.#confirmed.size > MAX_CONFIRMED && !oldest.done) this.#confirmed.delete(oldest.value);
    this.#saw(stamp);
    return true;
  }

  /** The history was replaced. */
  drop(): void {
    this.#history++;
    this.#confirmed.clear();
  }

  #holds({ position, eventId }: Stamp): boolean {
    return this.#confirmed.has(position) && this.#confirmed.get(position) === eventId;
  }
}
