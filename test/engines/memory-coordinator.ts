/**
 * The transaction coordinator of one transactional id, as Kafka's: an epoch fences every earlier producer,
 * a decision is taken in one place and reaches each partition later, one by one, and a transaction that
 * nobody ends is aborted after a while.
 */
import type { Clock } from '../../commands/clock.ts';
import { RelayFenced } from '../../workers/relay-topics.ts';
import type { MemoryPartition, TransactionId } from './memory-partition.ts';

/** kafkajs' default. */
const TRANSACTION_TIMEOUT_MS = 60_000;

type AnyPartition = MemoryPartition<unknown>;

interface Open {
  readonly id: TransactionId;
  readonly startedMs: number;
  readonly partitions: Set<AnyPartition>;
  /** Set once it is decided; resolves when every partition has its control record. */
  finished: Promise<void> | null;
}

export class MemoryCoordinator {
  readonly #clock: Clock;
  /** Before each control record: the broker's own pace, which no client's death stops. */
  readonly #turn: (label: string) => Promise<void>;
  readonly #pick: (n: number) => number;
  readonly #visible: () => void;
  #epoch = 0;
  #transactions = 0;
  #open: Open | null = null;

  constructor(options: {
    readonly clock: Clock;
    readonly turn: (label: string) => Promise<void>;
    readonly pick: (n: number) => number;
    /** Told when more can be read. */
    readonly visible: () => void;
  }) {
    this.#clock = options.clock;
    this.#turn = options.turn;
    this.#pick = options.pick;
    this.#visible = options.visible;
  }

  /**
   * One try to become the producer: every earlier one is fenced at once, its open transaction is being
   * aborted. Answers the epoch, or what to wait for before the next try.
   */
  initProducer(): { readonly epoch: number } | { readonly wait: Promise<void> } {
    this.expire();
    this.#epoch += 1;
    if (this.#open === null) return { epoch: this.#epoch };
    return { wait: this.#open.finished ?? this.#decide(this.#open, 'abort') };
  }

  /** What a producer must wait for before its next transaction, or null. */
  finishing(): Promise<void> | null {
    return this.#open?.finished ?? null;
  }

  write<V>(epoch: number, partition: MemoryPartition<V>, values: readonly V[]): void {
    this.#check(epoch);
    if (this.#open?.finished) throw new Error('CONCURRENT_TRANSACTIONS');
    if (this.#open === null) {
      this.#transactions += 1;
      const startedMs = this.#clock.now();
      this.#open = { id: this.#transactions, startedMs, partitions: new Set(), finished: null };
    }
    this.#open.partitions.add(partition as AnyPartition);
    for (const value of values) partition.append(value, this.#open.id);
  }

  /** The decision; readers see it when the control records are written. */
  commit(epoch: number): void {
    this.#check(epoch);
    if (this.#open === null || this.#open.finished) throw new Error('INVALID_TXN_STATE');
    void this.#decide(this.#open, 'commit');
  }

  /** Aborts what has been open for too long, and fences its producer. */
  expire(): void {
    const open = this.#open;
    if (open === null || open.finished) return;
    if (this.#clock.now() - open.startedMs < TRANSACTION_TIMEOUT_MS) return;
    this.#epoch += 1;
    void this.#decide(open, 'abort');
  }

  #check(epoch: number): void {
    this.expire();
    if (epoch !== this.#epoch) throw new RelayFenced(`epoch ${epoch} is over: ${this.#epoch} has begun`);
  }

  #decide(open: Open, outcome: 'commit' | 'abort'): Promise<void> {
    const finish = async () => {
      const left = [...open.partitions];
      while (left.length > 0) {
        await this.#turn(`broker.${outcome}`);
        for (const partition of left.splice(this.#pick(left.length), 1)) partition.finish(open.id, outcome);
        if (left.length === 0) this.#open = null;
        this.#visible();
      }
    };
    open.finished = finish();
    return open.finished;
  }
}
