/**
 * Data keys over a key store: unwraps, holds for a moment, and refuses what an erasure has named,
 * whatever the store says.
 *
 * A restored store is noticed by the follower's bookmark, which every answer of the store carries: it
 * stands before what this process was told. So the list of refused ids may be bounded: a store at or
 * past the bookmark has itself forgotten all that the list ever held.
 */
import type { Clock, Random } from '../../commands/clock.ts';
import {
  type DataKey,
  type DataKeys,
  type KeyLookup,
  KeyStoreBehind,
  MAX_HELD_MS,
} from '../../commands/data-keys.ts';
import type { Bookmark, Position, TenantId } from '../../schemas/envelope.ts';
import { gather } from './gather.ts';
import { heldKeys } from './held-keys.ts';
import type { KeyStore, WrappedKey } from './key-store.ts';
import type { MasterKey } from './keyring.ts';
import { mintWrapped, unwrap } from './wrapped-key.ts';

export interface StoreDataKeysOptions {
  readonly store: KeyStore;
  readonly master: MasterKey;
  readonly clock: Clock;
  readonly random: Random;
}

export interface StoreDataKeys extends DataKeys {
  /** How many unwrapped keys are held now. */
  held(): number;
  /** Forgets all keys; no key is held from then on. */
  stop(): void;
}

const MAX_HELD_KEYS = 10_000;
/** The newest erased ids that this process refuses by itself. */
const MAX_REFUSED_IDS = 65_536;
const MAX_IDS_PER_CALL = 1_000;
const MAX_WAITING = 50_000;
/** Rounds of one `active`: a round is lost when another process was faster, or the store too slow. */
const MAX_ROUNDS = 5;

interface Place {
  readonly tenant: TenantId;
  readonly subject: string | null;
}

/** Thrown where the rows and the master key do not fit: nobody may encrypt under a guess. */
export class UnwrapFailed extends Error {
  override readonly name = 'UnwrapFailed';
}

export function storeDataKeys({ store, master, clock, random }: StoreDataKeysOptions): StoreDataKeys {
  const keys = heldKeys<DataKey>(clock, MAX_HELD_MS, MAX_HELD_KEYS);
  const actives = heldKeys<DataKey>(clock, MAX_HELD_MS, MAX_HELD_KEYS);
  const refused = new Map<string, Position>();
  let told: Bookmark | null = null;

  function refuse(keyId: string, position: Position): void {
    const known = refused.get(keyId);
    refused.delete(keyId);
    if (refused.size >= MAX_REFUSED_IDS) refused.delete(refused.keys().next().value!);
    refused.set(keyId, known !== undefined && known > position ? known : position);
    keys.delete(keyId);
  }

  /** What it was told can have grown while the store answered, so it is compared with what it was then. */
  function assertNotBehind(toldBefore: Bookmark | null, bookmark: Bookmark | null): void {
    if (!toldBefore || reaches(bookmark, toldBefore)) return;
    throw new KeyStoreBehind(
      `the key store stands at ${bookmark?.position ?? 'its start'}, before ${toldBefore.position}: it was restored, and is being made to forget again`,
    );
  }

  /** `bookmark`: of the snapshot that the row is from. */
  function hold(row: WrappedKey, sinceMs: number, bookmark: Bookmark | null): DataKey | null {
    const key = unwrap(master, row, row.wrapped);
    if (!key) return null;
    const dataKey = { keyId: row.keyId, key, usableUntilMs: sinceMs + MAX_HELD_MS };
    // A snapshot from before what we were told since may show a key that is destroyed by now: used once.
    if (!told || reaches(bookmark, told)) keys.set(row.keyId, dataKey, sinceMs);
    return dataKey;
  }

  const activate = gather<Place, DataKey>({
    id: placeId,
    maxItemsPerCall: MAX_IDS_PER_CALL,
    maxWaiting: MAX_WAITING,
    async call(places) {
      const sinceMs = clock.now();
      const toldBefore = told;
      const answer = await store.activate(places.map(candidate));
      assertNotBehind(toldBefore, answer.bookmark);
      const stale = answer.rows.filter((row) => refused.has(row.keyId));
      if (stale.length > 0) await store.retire(stale.map((row) => row.keyId));
      const found = new Map<string, DataKey>();
      for (const row of answer.rows) {
        if (refused.has(row.keyId)) continue;
        const key = hold(row, sinceMs, answer.bookmark);
        if (!key) throw new UnwrapFailed(`data key ${row.keyId} does not unwrap under this master key`);
        found.set(placeId(row), key);
        actives.set(placeId(row), key, sinceMs);
      }
      return found;
    },
  });

  function candidate({ tenant, subject }: Place): WrappedKey {
    const place = { tenant, subject, keyId: `dk_${Buffer.from(random.bytes(16)).toString('hex')}` };
    return { ...place, wrapped: mintWrapped(master, place, random) };
  }

  const find = gather<string, KeyLookup>({
    id: (keyId) => keyId,
    maxItemsPerCall: MAX_IDS_PER_CALL,
    maxWaiting: MAX_WAITING,
    async call(keyIds) {
      const sinceMs = clock.now();
      const toldBefore = told;
      const answer = await store.lookup(keyIds);
      assertNotBehind(toldBefore, answer.bookmark);
      const found = new Map<string, KeyLookup>();
      for (const { keyId, key, erasedAt } of answer.rows) {
        const toldAt = refused.get(keyId) ?? null;
        if (erasedAt !== null || toldAt !== null) {
          found.set(keyId, { erasedAt: latest(erasedAt, toldAt) });
          continue;
        }
        found.set(keyId, (key && hold(key, sinceMs, answer.bookmark)) ?? 'missing');
      }
      return found;
    },
  });

  return {
    async active(tenant, subject) {
      const place = { tenant, subject };
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const held = actives.get(placeId(place));
        if (held && !refused.has(held.keyId)) return held;
        const key = await activate(place);
        if (key && !refused.has(key.keyId) && clock.now() <= key.usableUntilMs) return key;
      }
      throw new Error(`no usable data key in ${MAX_ROUNDS} rounds: the key store is too slow or too busy`);
    },

    async lookup(keyIds) {
      const unique = [...new Set(keyIds)];
      const found = await Promise.all(
        unique.map(async (keyId): Promise<KeyLookup> => keys.get(keyId) ?? (await find(keyId)) ?? 'missing'),
      );
      return new Map(
        unique.map((keyId, index) => {
          // It can have been refused while others were looked up.
          const toldAt = refused.get(keyId);
          const one = found[index]!;
          return [keyId, toldAt !== undefined && !isErased(one) ? { erasedAt: toldAt } : one];
        }),
      );
    },

    async close(tenant, subject) {
      const keyIds = await store.close(tenant, subject);
      actives.delete(placeId({ tenant, subject }));
      return keyIds;
    },

    async erase(batch) {
      // Before the store is asked: the log has spoken, and a reply that is lost changes nothing.
      for (const { keyIds, position } of batch.erasures) for (const keyId of keyIds) refuse(keyId, position);
      const done = await store.erase(batch);
      // The follower resumed beyond what we were told: another process had the store forget what lies
      // between, and nobody named those keys to us.
      if (!told || told.epoch !== batch.bookmark.epoch || told.position < batch.after) keys.clear();
      if (done === 'done' && isPast(batch.bookmark, told)) told = batch.bookmark;
      return done;
    },

    bookmark: () => store.bookmark(),
    held: () => keys.size(),
    stop() {
      keys.close();
      actives.close();
    },
  };
}

function isErased(found: KeyLookup): found is { readonly erasedAt: Position } {
  return found !== 'missing' && 'erasedAt' in found;
}

function latest(a: Position | null, b: Position | null): Position {
  return a !== null && (b === null || a > b) ? a : b!;
}

/** Whether a store that stands there has carried out what we were told. */
function reaches(bookmark: Bookmark | null, told: Bookmark): boolean {
  return bookmark !== null && bookmark.epoch === told.epoch && bookmark.position >= told.position;
}

function isPast(bookmark: Bookmark, told: Bookmark | null): boolean {
  return !told || told.epoch !== bookmark.epoch || bookmark.position > told.position;
}

function placeId({ tenant, subject }: { readonly tenant: string; readonly subject: string | null }): string {
  return subject === null ? tenant : `${tenant}\u0000${subject}`;
}
