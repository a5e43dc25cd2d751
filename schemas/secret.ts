/** A value that cannot be printed or serialised by accident: only `reveal()` gives it up. */
export class Secret<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [Symbol.toPrimitive](): string {
    return '[secret]';
  }

  /** What `console.log` and `util.inspect` show. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

/** The whole text of a key of ours, wherever it stands. */
const KEY_TEXTS = /plinth_(live|test)_([0-9A-Za-z]{12})_[0-9A-Za-z]{8,}/g;

/** The text, with what is secret of every key in it left out: for answers that quote what was sent. */
export function withoutKeys(text: string): string {
  return text.includes('plinth_') ? text.replace(KEY_TEXTS, 'plinth_$1_$2_…') : text;
}
