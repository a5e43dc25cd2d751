/** What clients know for certain of the keys that they were given. */
import type { SeededRandom } from '../support/seeded-random.ts';

export interface HeldKey {
  readonly keyId: string;
  /** Null: the answer with it was lost on its way, and there is none but the first. */
  readonly secret: string | null;
  readonly issued: Known;
  /** Null: nobody has asked for it yet. Then nothing acknowledged: it may have been carried out. */
  revocation: { acknowledged: Known | null } | null;
}

/** Acknowledged, and when that was heard, on the clock of `performance`. */
export interface Known {
  readonly token: string;
  readonly atMs: number;
  /** Through which process of the API: its place among them. */
  readonly by: number;
}

/** Of those that were revoked, the last so many stay to be asked for. */
const MAX_REVOKED = 100;

export class HeldKeys {
  readonly #good: HeldKey[] = [];
  readonly #revoked: HeldKey[] = [];

  add(key: HeldKey): void {
    if (key.secret !== null) this.#good.push(key);
  }

  /** Its revocation has been acknowledged. */
  moved(key: HeldKey): void {
    const at = this.#good.indexOf(key);
    if (at < 0) return;
    this.#good.splice(at, 1);
    this.#revoked.push(key);
    if (this.#revoked.length > MAX_REVOKED) this.#revoked.shift();
  }

  /** One that is good, or one that was revoked: mostly of the latest. */
  pick(random: SeededRandom): HeldKey | undefined {
    const from = random.chance(0.5) ? this.#good : this.#revoked;
    if (from.length === 0) return undefined;
    return random.chance(0.5) ? from.at(-1 - random.below(Math.min(5, from.length))) : random.pick(from);
  }
}
