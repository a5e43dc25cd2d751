/**
 * Clients that give commands, one after the other each, all at once together. A command that gets no
 * answer is sent again, the same, until it gets one; some that got one are sent again later all the same.
 */
import { pepperedDigest } from '../../commands/keys/digest.ts';
import type { Peppers } from '../../commands/peppers.ts';
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';
import { type Entry, type Fault, replayFault, secretFault } from './ledger.ts';
import type { Life } from './life.ts';
import type { Answer, Operation, Order } from './messages.ts';
import { commandOf } from './order-context.ts';

export const CLIENTS = 12;
const OWNERS = 200;
/** Commands are given at the newest keys: a few, so that clients meet. */
const KEYS_IN_USE = 40;
/** Of the answered commands, those that may be sent again. */
const MAX_KEPT_FOR_RETRY = 2_000;
const RETRY_PAUSE_MS = 25;
/** A command without an answer by then has hung. */
const MAX_UNANSWERED_MS = 120_000;

type Told = Exclude<Answer, { kind: 'failed' }>;
/** `failed` too: the attempt ended and nothing is known. */
type Ended = Answer | 'process gone';

export class Workload {
  readonly entries: Entry[] = [];
  readonly faults: Fault[] = [];
  retries = 0;
  /** Milliseconds that a client thinks before its next command, at most. */
  thinkMs = 40;
  readonly #random: SeededRandom;
  readonly #peppers: Peppers;
  readonly #inFlight = new Map<number, (ended: Ended) => void>();
  readonly #keys: string[] = [];
  #life = Promise.withResolvers<Life>();
  #tick = 0;
  #attempts = 0;
  #serial = 0;
  #paused = false;
  #stopped = false;
  #resume = Promise.withResolvers<void>();
  #busy = 0;
  #failure: Error | null = null;
  readonly #clients: Promise<void>[];

  constructor(seed: number, peppers: Peppers) {
    this.#random = seededRandom(seed);
    this.#peppers = peppers;
    this.#resume.resolve();
    this.#clients = Array.from({ length: CLIENTS }, (_, client) =>
      this.#client(client).catch((error: Error) => {
        this.#failure ??= error;
      }),
    );
  }

  /** Writes sent to the living process that have no answer yet. */
  get unacknowledged(): number {
    return this.#inFlight.size;
  }

  get acknowledged(): number {
    return this.entries.filter(({ answer }) => answer?.kind === 'accepted').length;
  }

  /** Attempts under way, to be told later which of them failed. */
  attemptsInFlight(): ReadonlySet<number> {
    return new Set(this.#inFlight.keys());
  }

  attach(life: Life): void {
    this.#life.resolve(life);
    void life.gone.then(() => {
      this.#life = Promise.withResolvers();
      const ended = [...this.#inFlight.values()];
      this.#inFlight.clear();
      for (const end of ended) end('process gone');
    });
  }

  readonly answered = (attempt: number, answer: Answer): void => {
    const end = this.#inFlight.get(attempt);
    this.#inFlight.delete(attempt);
    end?.(answer);
  };

  /** Told of every attempt that failed while the process lived. */
  onFailed: (attempt: number) => void = () => {};

  /** No new commands from here on; those that there are have been answered when it resolves. */
  async pause(): Promise<void> {
    this.#paused = true;
    this.#resume = Promise.withResolvers();
    while (this.#busy > 0) await this.#wait(5);
  }

  resume(): void {
    this.#paused = false;
    this.#resume.resolve();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.resume();
    await Promise.all(this.#clients);
    this.#check();
  }

  /** Sends so many of the acknowledged commands again. */
  async retrySome(count: number): Promise<void> {
    const done = this.entries
      .filter(({ answer }) => answer?.kind === 'accepted' && answer.position !== null)
      .slice(-MAX_KEPT_FOR_RETRY);
    if (done.length === 0) return;
    const some = Array.from({ length: count }, () => this.#random.pick(done));
    await Promise.all(
      some.map(async (entry) => {
        this.retries += 1;
        const fault = replayFault(entry, await this.#untilAnswered(entry));
        if (fault) this.faults.push(fault);
      }),
    );
    this.#check();
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
  }

  async #client(client: number): Promise<void> {
    for (;;) {
      await this.#wait(this.#random.below(this.thinkMs + 1));
      while (this.#paused && !this.#stopped) await this.#resume.promise;
      if (this.#stopped) return;
      this.#busy += 1;
      try {
        await this.#give(client, this.#next());
      } finally {
        this.#busy -= 1;
      }
    }
  }

  async #give(client: number, order: Order): Promise<void> {
    const { actor } = await this.#life.promise;
    const entry: Entry = {
      order,
      commandId: commandOf(order, actor),
      client,
      sentAt: ++this.#tick,
      answeredAt: null,
      answer: null,
      secretDigest: null,
    };
    this.entries.push(entry);
    const answer = await this.#untilAnswered(entry);
    entry.answeredAt = ++this.#tick;
    // The secret itself is not kept.
    entry.answer = answer.kind === 'accepted' ? { ...answer, secret: null } : answer;
    const fault = secretFault(entry, answer);
    if (fault) this.faults.push(fault);
    if (answer.kind !== 'accepted') return;
    if (answer.secret !== null) {
      const digest = pepperedDigest(this.#peppers, [this.#peppers.current], answer.secret)!;
      entry.secretDigest = Buffer.from(digest).toString('base64url');
    }
    if (order.operation === 'issue') {
      this.#keys.push(answer.id);
      if (this.#keys.length > KEYS_IN_USE) this.#keys.shift();
    }
  }

  async #untilAnswered(entry: Entry): Promise<Told> {
    const endMs = Date.now() + MAX_UNANSWERED_MS;
    for (let attempts = 0; ; attempts++) {
      this.#check();
      const life = await this.#life.promise;
      const attempt = ++this.#attempts;
      if (attempts > 0) this.retries += 1;
      const ended = await new Promise<Ended>((resolve) => {
        this.#inFlight.set(attempt, resolve);
        life.order(attempt, entry.order, attempts > 0 || entry.answer !== null);
      });
      if (ended !== 'process gone') {
        if (ended.kind !== 'failed') return ended;
        this.onFailed(attempt);
        if (Date.now() > endMs) throw new Error(`${entry.order.idempotencyKey} got no answer: ${ended.why}`);
      }
      await this.#wait(RETRY_PAUSE_MS);
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  #next(): Order {
    const random = this.#random;
    const serial = ++this.#serial;
    const key = this.#keys.length === 0 ? null : random.pick(this.#keys);
    const dice = random.below(100);
    const made = (operation: Operation, target: string | null, body: Order['body']): Order => {
      return { operation, target, body, idempotencyKey: `${operation}-${serial}` };
    };
    // Some belong to one of a few owners, some to a person whom nobody knows yet, some to nobody.
    const ownerId = random.pick([null, `owner-${random.below(OWNERS)}`, `person-${serial}`]);
    if (key === null || dice < 40) {
      return made('issue', null, { name: `Key ${serial}`, ownerId, scopes: ['a:read'] });
    }
    if (dice < 75) {
      const scopes = [`a:read`, `b:${serial}`];
      return made(
        'update',
        key,
        random.chance(0.5) ? { name: `Renamed ${serial}`, scopes } : { metadata: { serial } },
      );
    }
    if (dice < 90) return made('rotate', key, { overlapSeconds: random.pick([0, 0, 3600]) });
    if (dice < 98) return made('revoke', key, { reason: `Reason ${serial}` });
    return made('revoke-owner', `owner-${random.below(OWNERS)}`, { reason: null });
  }
}
