/** A consumer group of the broker in memory: who its members are and which partitions are whose. */
import type { Partition } from '../../schemas/topics.ts';

/** A member that says nothing for this long is thrown out. */
export const SESSION_TIMEOUT_MS = 6_000;

export interface GroupMember {
  readonly wants: readonly Partition[];
  seenMs: number;
}

export class MemoryConsumerGroup {
  readonly #members = new Set<GroupMember>();
  readonly #pick: (n: number) => number;
  readonly #changed: () => void;
  #assignments = new Map<GroupMember, Partition[]>();
  #epoch = 0;

  constructor(pick: (n: number) => number, changed: () => void) {
    this.#pick = pick;
    this.#changed = changed;
  }

  /** Grows with every rebalance. */
  get epoch(): number {
    return this.#epoch;
  }

  get size(): number {
    return this.#members.size;
  }

  join(wants: readonly Partition[], nowMs: number): GroupMember {
    const member = { wants, seenMs: nowMs };
    this.#members.add(member);
    this.rebalance();
    return member;
  }

  leave(member: GroupMember): void {
    if (this.#members.delete(member)) this.rebalance();
  }

  knows(member: GroupMember): boolean {
    return this.#members.has(member);
  }

  heartbeat(member: GroupMember, nowMs: number): void {
    member.seenMs = nowMs;
  }

  expire(nowMs: number): void {
    const silent = [...this.#members].filter((member) => member.seenMs + SESSION_TIMEOUT_MS < nowMs);
    for (const member of silent) this.#members.delete(member);
    if (silent.length > 0) this.rebalance();
  }

  /** Throws one out as if it had been silent. */
  evict(): void {
    const members = [...this.#members];
    if (members.length > 0) this.leave(members[this.#pick(members.length)]!);
  }

  /** Every partition to one of those who want it. */
  rebalance(): void {
    this.#epoch += 1;
    const assignments = new Map<GroupMember, Partition[]>([...this.#members].map((m) => [m, []]));
    const wanted = new Map<string, Partition>();
    for (const { wants } of this.#members) {
      for (const partition of wants) wanted.set(`${partition.domain}/${partition.partition}`, partition);
    }
    for (const partition of wanted.values()) {
      const takers = [...this.#members].filter(({ wants }) =>
        wants.some((w) => w.domain === partition.domain && w.partition === partition.partition),
      );
      assignments.get(takers[this.#pick(takers.length)]!)!.push(partition);
    }
    this.#assignments = assignments;
    this.#changed();
  }

  assignmentOf(member: GroupMember): readonly Partition[] {
    return this.#assignments.get(member) ?? [];
  }
}
