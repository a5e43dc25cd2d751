/** Who goes over from the log to Kafka, and whether a relay was alive to go over to. */
import { type Position, START } from '../../schemas/envelope.ts';
import type { FedWorld } from './fed-world.ts';
import { NAME, type RunnerPorts } from './projection-world.ts';
import { replacing } from './replacing.ts';

export interface Joins {
  /** The same, looked at. */
  ports(ports: RunnerPorts): RunnerPorts;
  broken(): unknown;
  /** Tells of looks at the topics by who follows the log, until the answered function is called. */
  onLook(told: () => void): () => void;
}

/**
 * Who joins has seen a relay work since its session began: one that has come at least as far as the log was
 * by then. Of a log that `isReplaced` that says nothing.
 */
export function watchJoins({ log, broker, database }: FedWorld, isReplaced: () => boolean): Joins {
  let broken: unknown = null;
  const looks = new Set<() => void>();
  let relayed: Position = START;
  broker.onVisible(() => {
    const position = broker.record()?.bookmark.position ?? START;
    if (position > relayed) relayed = position;
  });
  const begun = new Map<string, Position>();
  return {
    ports: ({ store, feed, ...rest }) => ({
      ...rest,
      store: replacing(store, {
        async acquire(...args) {
          const head = log.events.at(-1)?.position ?? START;
          const acquired = await store.acquire(...args);
          if (acquired.kind === 'held') begun.set(acquired.lease.holder, head);
          return acquired;
        },
        async join(lease, ...args) {
          const head = begun.get(lease.holder)!;
          if (relayed < head && !isReplaced()) {
            broken ??= new Error(`it joins with no relay: one came to ${relayed}, the log was at ${head}`);
          }
          return store.join(lease, ...args);
        },
      }),
      feed:
        feed &&
        replacing(feed, {
          async ends(domains) {
            const ends = await feed.ends(domains);
            if (database.current(NAME)?.feed === null) for (const told of [...looks]) told();
            return ends;
          },
        }),
    }),
    broken: () => broken,
    onLook(told) {
      looks.add(told);
      return () => looks.delete(told);
    },
  };
}
