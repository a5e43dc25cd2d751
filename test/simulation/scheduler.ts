/**
 * A seeded scheduler on a fake clock: which waiting step goes next, when time passes and what crashes are
 * drawn from one seed, so that a schedule which breaks a rule replays from its number.
 *
 * The product's own code runs under it. Everything it awaits is a call through `Process.wrap`, which waits
 * for a turn before the call takes effect and again before the answer arrives: a process can be overtaken
 * or die on either side of every effect.
 */
import type { Clock, Random } from '../../commands/clock.ts';

/** Steps after which a schedule counts as one that never ends. */
const MAX_STEPS = 20_000;
/** Steps that a failure prints. */
const TRACE_STEPS = 400;

interface Waiting {
  readonly label: string;
  readonly process: Process | null;
  readonly resume: () => void;
}

interface Timer {
  readonly dueMs: number;
  readonly process: Process | null;
  readonly resume: () => void;
}

export class ScheduleStuck extends Error {
  override readonly name = 'ScheduleStuck';
}

export class Scheduler {
  readonly seed: number;
  /** Chance that time passes although something could go on, per step. */
  readonly #drift: number;
  #state: number;
  #nowMs = Date.parse('2026-01-01T00:00:00.000Z');
  #waiting: Waiting[] = [];
  #timers: Timer[] = [];
  #trace: string[] = [];
  #steps = 0;
  #done = false;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#state = (this.seed ^ 0x9e3779b9) >>> 0;
    for (let i = 0; i < 4; i++) this.random();
    this.#drift = [0, 0.02, 0.1, 0.3][this.below(4)]!;
  }

  /** Uniform in [0, 1): mulberry32. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** A whole number in [0, n). */
  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  chance(p: number): boolean {
    return this.random() < p;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  readonly bytes: Random = {
    bytes: (length) => Uint8Array.from({ length }, () => this.below(256)),
  };

  now(): number {
    return this.#nowMs;
  }

  /** A clock of no process: it dies with nobody. */
  readonly clock: Clock = this.clockOf(null);

  clockOf(process: Process | null, skewMs = 0): Clock {
    return {
      now: () => this.#nowMs + skewMs,
      sleep: (ms, signal) =>
        new Promise<void>((resolve) => {
          if (signal?.aborted) return resolve();
          // A clock answers whole milliseconds, whatever was slept.
          const timer: Timer = {
            dueMs: Math.ceil(this.#nowMs + Math.max(0, ms)),
            process,
            resume: resolve,
          };
          this.#timers.push(timer);
          signal?.addEventListener(
            'abort',
            () => {
              this.#timers = this.#timers.filter((t) => t !== timer);
              resolve();
            },
            { once: true },
          );
        }),
    };
  }

  turn(label: string, process: Process | null = null): Promise<void> {
    return new Promise<void>((resume) => {
      this.#waiting.push({ label, process, resume });
    });
  }

  note(text: string): void {
    this.#trace.push(`${this.#nowMs % 100_000_000} ${text}`);
    if (this.#trace.length > TRACE_STEPS) this.#trace.shift();
  }

  get trace(): readonly string[] {
    return this.#trace;
  }

  /** Drives everything until `main` has settled; what is left of others is dropped. */
  async drive<T>(main: Promise<T>): Promise<T> {
    let settled = false;
    const outcome = main.finally(() => {
      settled = true;
    });
    outcome.catch(() => undefined);
    while (true) {
      await quiescence();
      if (settled) break;
      this.#steps += 1;
      if (this.#steps > MAX_STEPS) throw new ScheduleStuck(`no end after ${MAX_STEPS} steps`);
      if (!this.#step()) throw new ScheduleStuck('nothing can go on, and not everything has ended');
    }
    this.#done = true;
    this.#waiting = [];
    this.#timers = [];
    return outcome;
  }

  #step(): boolean {
    this.#waiting = this.#waiting.filter((w) => w.process?.alive !== false);
    this.#timers = this.#timers.filter((t) => t.process?.alive !== false);
    const runnable = this.#waiting.filter((w) => w.process?.frozen !== true);
    const timers = this.#timers.filter((t) => t.process?.frozen !== true);
    if (runnable.length > 0 && !(timers.length > 0 && this.chance(this.#drift))) {
      const chosen = runnable[this.below(runnable.length)]!;
      this.#waiting = this.#waiting.filter((w) => w !== chosen);
      this.note(`${chosen.process?.name ?? '-'} ${chosen.label}`);
      chosen.resume();
      return true;
    }
    if (timers.length === 0) return false;
    let next = timers[0]!;
    for (const timer of timers) if (timer.dueMs < next.dueMs) next = timer;
    this.#timers = this.#timers.filter((t) => t !== next);
    this.#nowMs = Math.max(this.#nowMs, next.dueMs);
    next.resume();
    return true;
  }

  /** Time passes only when nothing can go on: whatever is ready happens at once. */
  get fair(): boolean {
    return this.#drift === 0;
  }

  get done(): boolean {
    return this.#done;
  }

  process(name: string, skewMs = 0): Process {
    return new Process(this, name, skewMs);
  }
}

/** One life of one process: it can freeze, go on, and die with everything that it was waiting for. */
export class Process {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly #scheduler: Scheduler;
  alive = true;
  frozen = false;

  constructor(scheduler: Scheduler, name: string, skewMs: number) {
    this.#scheduler = scheduler;
    this.name = name;
    this.clock = scheduler.clockOf(this, skewMs);
    this.random = scheduler.bytes;
  }

  kill(): void {
    this.#scheduler.note(`${this.name} dies`);
    this.alive = false;
  }

  turn(label: string): Promise<void> {
    return this.#scheduler.turn(label, this);
  }

  /** Runs `work` as this process: nobody waits for it once the process is dead. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.turn('starts');
    return work();
  }

  /**
   * The same object, each of whose methods takes a turn before it and another before its answer, whether it
   * says `async` or just answers a promise. Methods named in `plain` are left alone. Transaction objects
   * handed to callbacks are wrapped too, and async iterables take a turn before each item.
   */
  wrap<T extends object>(target: T, name: string, plain: readonly string[] = []): T {
    const process = this;
    return new Proxy(target, {
      get(object, property) {
        const member = Reflect.get(object, property, object) as unknown;
        if (typeof member !== 'function' || typeof property === 'symbol') return member;
        if (plain.includes(property)) return member.bind(object);
        return (...args: unknown[]) => {
          const label = `${name}.${property}`;
          const call = () =>
            Reflect.apply(
              member,
              object,
              args.map((arg) => process.#wrapCallback(arg, label, plain)),
            ) as unknown;
          if (isAsyncGeneratorMethod(member)) return process.#paced(call() as AsyncIterable<unknown>, label);
          return process.#called(call, label);
        };
      },
    });
  }

  async #called(call: () => unknown, label: string): Promise<unknown> {
    await this.turn(`${label} →`);
    try {
      return await call();
    } finally {
      await this.turn(`${label} ←`);
    }
  }

  async *#paced(items: AsyncIterable<unknown>, label: string): AsyncGenerator<unknown> {
    await this.turn(`${label} →`);
    for await (const item of items) {
      await this.turn(`${label} ←`);
      yield item;
    }
  }

  #wrapCallback(arg: unknown, label: string, plain: readonly string[]): unknown {
    if (typeof arg !== 'function') return arg;
    return (...inner: unknown[]) =>
      Reflect.apply(
        arg,
        undefined,
        inner.map((value) =>
          typeof value === 'object' && value !== null && hasMethods(value)
            ? this.wrap(value, `${label}.tx`, plain)
            : value,
        ),
      );
  }
}

async function quiescence(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

function isAsyncGeneratorMethod(member: object): boolean {
  return member.constructor.name === 'AsyncGeneratorFunction';
}
function hasMethods(value: object): boolean {
  if (value instanceof Uint8Array || Array.isArray(value) || value instanceof Map || value instanceof Set)
    return false;
  if (Object.values(value).some((v) => typeof v === 'function')) return true;
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype !== null && prototype !== Object.prototype;
}
