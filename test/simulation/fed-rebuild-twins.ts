/** Rebuilds, swaps and comparisons that take a projection fed by Kafka for one that follows the log. */
import type { FedGuards } from './fed-world.ts';
import { storing } from './replaced-ports.ts';
import type { Twin } from './rule.ts';

/** It stops at the least of the places, and takes what is applied beyond it for applied in the new tables too. */
const swapsAtTheLeastPlace = storing((store) => ({
  promote: (lease, catchUp) =>
    store.promote(lease, async (greatest) => {
      const revisions = await store.revisions(lease.projection);
      const live = revisions.find(({ state }) => state === 'current')!;
      await catchUp(live.bookmark.position);
      const own = (await store.revisions(lease.projection)).find((r) => r.revision === lease.revision)!;
      const beyond = live.marks?.at.find(({ bookmark }) => bookmark.position === greatest);
      if (beyond) await store.advance(lease, own.bookmark, beyond.bookmark, null);
    }),
}));

/** A member is told that its revision stands as it did when it came. */
const looksForNoSwap = storing((store) => {
  let seen: Awaited<ReturnType<typeof store.places>> = null;
  return {
    async places(projection, revision) {
      seen = (await store.places(projection, revision)) ?? seen;
      return seen;
    },
  };
});

const comparesAtTheLeastPlace = storing((store) => ({
  snapshot: async (projection, revision) => ({
    ...(await store.snapshot(projection, revision)),
    marks: null,
  }),
}));

export const fedRebuildTwins: readonly Twin<FedGuards>[] = [
  {
    name: 'a swap goes through the least place alone',
    breaks: 'what members have applied beyond it is missing in the new tables',
    guards: { ports: swapsAtTheLeastPlace },
  },
  {
    name: 'a member does not look whether its revision stands',
    breaks: 'after a swap nobody takes up the new one',
    guards: { ports: looksForNoSwap },
  },
  {
    name: 'rows are compared with the log at the least place',
    breaks: 'what is applied beyond it is called wrong',
    guards: { ports: comparesAtTheLeastPlace },
  },
];
