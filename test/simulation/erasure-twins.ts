/** The safeguards of personal data, each taken out: the rule must notice. */
import type { KeyStore } from '../../infra/secrets/key-store.ts';
import { START } from '../../schemas/envelope.ts';
import type { ErasureGuards } from './erasure-world.ts';
import { replacing } from './replacing.ts';
import type { Twin } from './rule.ts';

export const erasureTwins: readonly Twin<ErasureGuards>[] = [
  {
    name: 'no wait between closing and erasure',
    breaks: 'a key that is still held encrypts what lands above the erasure',
    guards: { clock: (clock) => ({ ...clock, sleep: () => Promise.resolve() }) },
  },
  {
    name: 'an append may land at any time',
    breaks: 'what was sealed while the key was good lands above its erasure',
    guards: { landsWithinMs: Number.POSITIVE_INFINITY },
  },
  {
    name: 'the bookmark of the follower is kept outside the key store',
    breaks: 'a restored store does not forget again',
    guards: {
      store: (store, _process, { outside }) =>
        replacing<KeyStore>(store, {
          bookmark: async () => outside.bookmark,
          activate: async (places) => ({ ...(await store.activate(places)), bookmark: outside.bookmark }),
          lookup: async (keyIds) => ({ ...(await store.lookup(keyIds)), bookmark: outside.bookmark }),
          async erase(batch) {
            const done = await store.erase({ ...batch, after: START });
            if (outside.bookmark === null || batch.bookmark.position > outside.bookmark.position) {
              outside.bookmark = batch.bookmark;
            }
            return done;
          },
        }),
    },
  },
  {
    name: 'each process makes a key of its own active',
    breaks: 'one of two is in no store, and what it encrypted is lost',
    guards: {
      store: (store) =>
        replacing<KeyStore>(store, {
          async activate(candidates) {
            return { ...(await store.activate(candidates)), rows: candidates };
          },
        }),
    },
  },
  {
    name: 'a new key is committed after the append that uses it',
    breaks: 'a crash between the two loses it',
    guards: {
      store: (store, process) => {
        const made = new Map<string, Parameters<KeyStore['activate']>[0][number]>();
        return replacing<KeyStore>(store, {
          async activate(candidates) {
            const { bookmark } = await store.lookup([]);
            for (const one of candidates)
              if (!made.has(String(one.subject))) made.set(String(one.subject), one);
            const rows = candidates.map((one) => made.get(String(one.subject))!);
            void process.clock.sleep(200).then(() => store.activate(rows));
            return { rows, bookmark };
          },
        });
      },
    },
  },
  {
    name: 'the process believes the store over what it was told',
    breaks: 'an erased key that is held, or was restored, opens fields again',
    guards: {
      dataKeys(dataKeys, another) {
        const told = another();
        return replacing(dataKeys, { erase: (batch) => told.erase(batch), bookmark: () => told.bookmark() });
      },
    },
  },
  {
    name: 'a process reads before it has caught up with the erasures',
    breaks: 'it finds what a restored store has not forgotten yet',
    guards: { catchUp: () => Promise.resolve() },
  },
];
