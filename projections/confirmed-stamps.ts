/**
 * Whether the log holds what a stamp of somebody else's making says. A process halts when the log loses its
 * tail; what is made outside of it may go on being made from the lost part: a cache that processes share
 * holds it, and a projector that stood still all the while commits it. So stamps are compared with the log,
 * each once.
 */
import type { Clock } from '../commands/clock.ts';
import type { EventLog } from '../commands/event-log.ts';
import type { EventId, Position } from '../schemas/envelope.ts';
import { eventMismatch } from './history-check.ts';
import type { Stamp } from './projection.ts';
import { withDeadline } from './single-flight.ts';

const MAX_CONFIRMED = 1_000;
/** The log may hang for longer: then nobody waits for it any more, and the next one asks anew. */
const ASK_DEADLINE_MS = 1_000;

export interface ConfirmedStampsDeps {
  readonly log: Pick<EventLog, 'eventIdAt'>;
  readonly clock: Clock;
  /** From then on the stamp is compared with the log at every poll, as one of our own is. */
  readonly saw: (stamp: Stamp) => void;
  /** The stamp of the latest poll, which was compared with the log already; null: none is known. */
  readonly polled: () => Stamp | null;
}

export class ConfirmedStamps {
  readonly #deps: ConfirmedStampsDeps;
  readonly #confirmed = new Map<Position, EventId | null>();
  /** Questions under way: who has the same stamp shares the answer. */
  readonly #asking = new Map<string, Promise<boolean>>();
  #history = 0;

  constructor(deps: ConfirmedStampsDeps) {
    this.#deps = deps;
  }

  /** The stamp's epoch must be the current one. Rejects when the log cannot be asked. */
  confirm(stamp: Stamp): Promise<boolean> {
    if (this.#holds(stamp)) return Promise.resolve(true);
    const name = `${stamp.position} ${stamp.eventId}`;
    const under = this.#asking.get(name);
    if (under) return under;
    const asking = withDeadline(this.#deps.clock, ASK_DEADLINE_MS, this.#ask(stamp)).finally(() =>
      this.#asking.delete(name),
    );
    this.#asking.set(name, asking);
    return asking;
  }

  /** The history was replaced. */
  drop(): void {
    this.#history++;
    this.#confirmed.clear();
  }

  async #ask(stamp: Stamp): Promise<boolean> {
    const history = this.#history;
    if ((await eventMismatch(this.#deps.log, stamp)) !== null || history !== this.#history) return false;
    this.#confirmed.set(stamp.position, stamp.eventId);
    const oldest = this.#confirmed.keys().next();
    if (this.#confirmed.size > MAX_CONFIRMED && !oldest.done) this.#confirmed.delete(oldest.value);
    this.#deps.saw(stamp);
    return true;
  }

  #holds({ position, eventId }: Stamp): boolean {
    const polled = this.#deps.polled();
    if (polled !== null && polled.position === position && polled.eventId === eventId) return true;
    return this.#confirmed.has(position) && this.#confirmed.get(position) === eventId;
  }
}
