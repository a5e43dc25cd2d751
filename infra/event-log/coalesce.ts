/**
 * Sends what arrives together in one call, and what arrives while a call is under way in the next one.
 *
 * An item joins only a call that has not been sent, so what it reads or writes is never older than itself.
 */
export interface Coalescer<Item> {
  /** Throws `Overfull` when too many wait. */
  add(item: Item): void;
  /** How many wait for a call. */
  waiting(): number;
}

export interface CoalesceOptions<Item> {
  readonly maxCallsInFlight: number;
  readonly maxWaiting: number;
  /** Takes the items of the next call out of those that wait, first come first; may leave some. */
  take(waiting: Item[]): Item[];
  /**
   * Sends them, and answers what settles each; must not reject. The next call is sent before they are
   * settled: what their callers do then takes long enough to keep the server waiting.
   */
  send(items: readonly Item[]): Promise<() => void>;
}

export class Overfull extends Error {
  override readonly name = 'Overfull';
}

export function coalesce<Item>(options: CoalesceOptions<Item>): Coalescer<Item> {
  const waiting: Item[] = [];
  let inFlight = 0;
  let scheduled = false;

  function sendNext(): void {
    while (waiting.length > 0 && inFlight < options.maxCallsInFlight) {
      const items = options.take(waiting);
      if (items.length === 0) return;
      inFlight += 1;
      void options.send(items).then((settle) => {
        inFlight -= 1;
        sendNext();
        settle();
      });
    }
  }

  /** After the callers of this turn of the event loop have had their say. */
  function schedule(): void {
    if (scheduled || waiting.length === 0 || inFlight >= options.maxCallsInFlight) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      sendNext();
    });
  }

  return {
    add(item) {
      if (waiting.length >= options.maxWaiting) {
        throw new Overfull(`${options.maxWaiting} calls wait already`);
      }
      waiting.push(item);
      schedule();
    },
    waiting: () => waiting.length,
  };
}
