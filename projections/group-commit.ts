/**
 * Group commit: what comes while a commit is under way is committed together behind it. Under load that
 * makes few transactions of many, and without it nobody waits.
 */
import type { Clock } from '../commands/clock.ts';

interface Waiting<W> {
  readonly work: W;
  done(): void;
  failed(error: unknown): void;
}

export interface GroupCommitOptions<W> {
  readonly clock: Clock;
  /** Of a group in the unit of `sizeOf`; one work alone may be larger. */
  readonly maxSize: number;
  sizeOf(work: W): number;
  /** In the order in which they were asked for; when it throws, all of them have failed. */
  commit(group: readonly W[]): Promise<void>;
}

/** Resolves when the group that the work came into is committed. What waits is bounded by who asks. */
export function groupCommit<W>(options: GroupCommitOptions<W>): (work: W) => Promise<void> {
  const { clock, maxSize, sizeOf, commit } = options;
  let waiting: Waiting<W>[] = [];
  let committing = false;

  const next = (): readonly Waiting<W>[] => {
    let size = 0;
    const fits = waiting.findIndex(({ work }, index) => {
      size += sizeOf(work);
      return index > 0 && size > maxSize;
    });
    const group = fits < 0 ? waiting : waiting.slice(0, fits);
    waiting = waiting.slice(group.length);
    return group;
  };
  const run = async (): Promise<void> => {
    if (committing) return;
    committing = true;
    // Who asks in the same turn comes along.
    await clock.sleep(0);
    while (waiting.length > 0) {
      const group = next();
      try {
        await commit(group.map(({ work }) => work));
        for (const { done } of group) done();
      } catch (error) {
        for (const { failed } of group) failed(error);
      }
    }
    committing = false;
  };
  return (work) =>
    new Promise<void>((done, failed) => {
      waiting.push({ work, done, failed });
      void run();
    });
}
