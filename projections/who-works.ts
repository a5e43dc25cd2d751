/** Who advances each revision, as far as it can be known, and what to do where nobody does. */
import { feedGroup } from './feed.ts';
import type { Revision } from './store.ts';

export const NO_PROJECTOR = 'no projector works: start `plinth projector`';

export interface Worked {
  /** Processes; empty: nobody. Null: Kafka feeds it, and does not tell. */
  readonly runBy: readonly string[] | null;
}

/** The processes in a consumer group. */
export type GroupMembers = (group: string) => Promise<readonly string[]>;

/** `members`: of the groups of what Kafka feeds; null: there is no Kafka to ask. */
export async function withWorkers<R extends Revision & { readonly problem: string | null }>(
  revisions: readonly R[],
  members: GroupMembers | null,
): Promise<readonly (R & Worked)[]> {
  const workers = async ({ projection, revision, feed, holder }: R): Promise<readonly string[] | null> => {
    if (feed === null) return holder === null ? [] : [holder];
    const asked = members?.(feedGroup({ projection, revision, generation: feed }));
    return asked?.catch(() => null) ?? null;
  };
  return Promise.all(
    revisions.map(async (one) => {
      const runBy = await workers(one);
      // One that is halted waits for an operator, and one that is not served for what began it.
      const idle = runBy?.length === 0 && one.state === 'current' && one.halted === null;
      const problem = [idle ? NO_PROJECTOR : null, one.problem].filter((text) => text !== null);
      return { ...one, runBy, problem: problem.length === 0 ? null : problem.join('; ') };
    }),
  );
}
