/**
 * The key store in memory: obeys the port that the Postgres one obeys, under the product's own caches.
 * One store is shared by the processes of a test; each opens its own data keys over it.
 */
import { createSecretKey } from 'node:crypto';
import type { Clock, Random } from '../../commands/clock.ts';
import type { KeySnapshot, KeyStore, WrappedKey } from '../../infra/secrets/key-store.ts';
import type { MasterKey } from '../../infra/secrets/keyring.ts';
import { type StoreDataKeys, storeDataKeys } from '../../infra/secrets/store-data-keys.ts';
import type { Bookmark, Epoch, Position } from '../../schemas/envelope.ts';
import { START } from '../../schemas/envelope.ts';

/** Any master key does: nothing of a test is worth guarding. */
export const testMasterKey: MasterKey = { id: 'test', key: createSecretKey(Buffer.alloc(32, 7)) };

interface Row extends Omit<WrappedKey, 'wrapped'> {
  readonly wrapped: Uint8Array | null;
  readonly closed: boolean;
}

interface Contents {
  readonly keys: Map<string, Row>;
  readonly erasures: Map<string, { readonly epoch: Epoch; readonly position: Position }>;
  bookmark: Bookmark | null;
}

export interface MemoryKeyStore extends KeyStore {
  /** Takes a copy of everything; what it answers puts the store back to it, under running processes. */
  copy(): () => void;
  /** Every wrapped key there is, without a turn. */
  wrappedKeys(): readonly WrappedKey[];
}

export interface MemoryKeyStoreOptions {
  /** Awaited at the start of every operation (`keys.erase`) and just before each answer (`keys.erase.answer`). */
  readonly turn?: (label: string) => Promise<void>;
}

export function memoryKeyStore(options: MemoryKeyStoreOptions = {}): MemoryKeyStore {
  const turn = options.turn ?? (() => Promise.resolve());
  let contents: Contents = { keys: new Map(), erasures: new Map(), bookmark: null };

  /** Each operation takes effect at one moment, between its two turns. */
  async function operation<R>(name: string, effect: () => R): Promise<R> {
    await turn(`keys.${name}`);
    const answer = effect();
    await turn(`keys.${name}.answer`);
    return answer;
  }

  function snapshot<R>(rows: readonly R[]): KeySnapshot<R> {
    return { rows, bookmark: contents.bookmark };
  }

  function closeAll(keyIds: readonly string[]): void {
    for (const keyId of keyIds) {
      const row = contents.keys.get(keyId);
      if (row) contents.keys.set(keyId, { ...row, closed: true });
    }
  }

  return {
    activate: (candidates) =>
      operation('activate', () =>
        snapshot(
          candidates.map((candidate) => {
            const active = [...contents.keys.values()].find(
              (row) => row.tenant === candidate.tenant && row.subject === candidate.subject && !row.closed,
            );
            if (active) return wrappedOf(active)!;
            contents.keys.set(candidate.keyId, { ...candidate, closed: false });
            return candidate;
          }),
        ),
      ),
    lookup: (keyIds) =>
      operation('lookup', () =>
        snapshot(
          keyIds.map((keyId) => {
            const row = contents.keys.get(keyId);
            const erasure = contents.erasures.get(keyId);
            return {
              keyId,
              key: row ? wrappedOf(row) : null,
              erasedAt: erasure && erasure.epoch === contents.bookmark?.epoch ? erasure.position : null,
            };
          }),
        ),
      ),
    close: (tenant, subject) =>
      operation('close', () => {
        const rows = [...contents.keys.values()].filter((r) => r.tenant === tenant && r.subject === subject);
        const keyIds = rows.map((row) => row.keyId).sort();
        closeAll(keyIds);
        return keyIds;
      }),
    retire: (keyIds) => operation('retire', () => closeAll(keyIds)),
    erase: ({ after, erasures, bookmark }) =>
      operation('erase', () => {
        const stands = contents.bookmark ?? { epoch: bookmark.epoch, position: START, eventId: null };
        contents.bookmark = stands;
        if (stands.epoch !== bookmark.epoch || stands.position < after) return 'behind';
        for (const { keyIds, position } of erasures) {
          for (const keyId of keyIds) {
            const known = contents.erasures.get(keyId);
            if (!known || known.epoch !== bookmark.epoch || known.position < position) {
              contents.erasures.set(keyId, { epoch: bookmark.epoch, position });
            }
            const row = contents.keys.get(keyId);
            if (row) contents.keys.set(keyId, { ...row, wrapped: null, closed: true });
          }
        }
        if (stands.position < bookmark.position) contents.bookmark = bookmark;
        return 'done';
      }),
    bookmark: () => operation('bookmark', () => contents.bookmark),
    restart: (epoch) =>
      operation('restart', () => {
        contents.bookmark = { epoch, position: START, eventId: null };
      }),
    copy() {
      const kept = copyOf(contents);
      return () => {
        contents = copyOf(kept);
      };
    },
    wrappedKeys: () => [...contents.keys.values()].flatMap((row) => wrappedOf(row) ?? []),
  };
}

function copyOf({ keys, erasures, bookmark }: Contents): Contents {
  return { keys: new Map(keys), erasures: new Map(erasures), bookmark };
}

function wrappedOf({ keyId, tenant, subject, wrapped }: Row): WrappedKey | null {
  return wrapped && { keyId, tenant, subject, wrapped };
}

export interface MemoryDataKeysOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Shared by the processes of a test; a store of its own when there is one process. */
  readonly store?: KeyStore;
  readonly master?: MasterKey;
}

/** The data keys as one process has them. Call `stop` when it is over. */
export function memoryDataKeys(options: MemoryDataKeysOptions): StoreDataKeys {
  const { clock, random, store = memoryKeyStore(), master = testMasterKey } = options;
  return storeDataKeys({ store, master, clock, random });
}
