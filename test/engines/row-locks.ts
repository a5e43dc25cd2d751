/** Locks by name, granted in the order asked: what row locks of a database do to those who write. */
export class RowLocks {
  readonly #queues = new Map<string, (() => void)[]>();

  held(name: string): boolean {
    return this.#queues.has(name);
  }

  /** Takes all of them, in one order for everybody, so that nobody waits in a circle. */
  async take(names: readonly string[]): Promise<() => void> {
    const sorted = [...new Set(names)].sort();
    for (const name of sorted) await this.#take(name);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      for (const name of sorted) this.#release(name);
    };
  }

  async #take(name: string): Promise<void> {
    const queue = this.#queues.get(name);
    if (!queue) {
      this.#queues.set(name, []);
      return;
    }
    await new Promise<void>((granted) => queue.push(granted));
  }

  #release(name: string): void {
    const next = this.#queues.get(name)?.shift();
    if (next) next();
    else this.#queues.delete(name);
  }
}
