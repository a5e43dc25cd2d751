/**
 * Gathers what is asked for one by one into calls for many: one call under way at a time, and what
 * arrives meanwhile goes, each thing once, in the next.
 */
export interface GatherOptions<Item, Answer> {
  /** The same id: the same thing, asked for once a call. */
  id(item: Item): string;
  readonly maxItemsPerCall: number;
  readonly maxWaiting: number;
  /** Answers by id. */
  call(items: readonly Item[]): Promise<ReadonlyMap<string, Answer>>;
}

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly answer: Promise<Answer | undefined>;
  readonly settle: (answer: Answer | undefined) => void;
  readonly fail: (error: unknown) => void;
}

/** A thing is never answered from a call that was sent before it was asked for. */
export function gather<Item, Answer>(
  options: GatherOptions<Item, Answer>,
): (item: Item) => Promise<Answer | undefined> {
  const waiting = new Map<string, Waiting<Item, Answer>>();
  let busy = false;

  async function sendAll(): Promise<void> {
    // Those who ask in the same turn travel together.
    await Promise.resolve();
    while (waiting.size > 0) {
      const batch = [...waiting].slice(0, options.maxItemsPerCall);
      for (const [id] of batch) waiting.delete(id);
      try {
        const answers = await options.call(batch.map(([, { item }]) => item));
        for (const [id, one] of batch) one.settle(answers.get(id));
      } catch (error) {
        for (const [, one] of batch) one.fail(error);
      }
    }
    busy = false;
  }

  return (item) => {
    const id = options.id(item);
    const joined = waiting.get(id);
    if (joined) return joined.answer;
    if (waiting.size >= options.maxWaiting) {
      return Promise.reject(new Error(`${options.maxWaiting} wait for the key store already`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Answer | undefined>();
    waiting.set(id, { item, answer: promise, settle: resolve, fail: reject });
    if (!busy) {
      busy = true;
      void sendAll();
    }
    return promise;
  };
}
