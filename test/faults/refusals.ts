/** Since when a process of the API has carried out no command although it was given some. */

export interface Refusals {
  /** Begins with the first attempt that failed since one went well. */
  readonly sinceMs: number;
  /** When the last attempt began that has failed. */
  readonly lastMs: number;
}

export class RefusalsByApi {
  readonly #by = new Map<number, Refusals>();

  /** An attempt that began then has failed. On the clock of `performance`. */
  failed(by: number, beganMs: number): void {
    const { sinceMs, lastMs } = this.#by.get(by) ?? { sinceMs: beganMs, lastMs: beganMs };
    this.#by.set(by, { sinceMs, lastMs: Math.max(lastMs, beganMs) });
  }

  went(by: number): void {
    this.#by.delete(by);
  }

  of(by: number): Refusals | null {
    return this.#by.get(by) ?? null;
  }
}
