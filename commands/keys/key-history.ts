/** What happened to a key, change by change, told from the log. */
import { isDeepStrictEqual } from 'node:util';
import { type DecodedEvent, type Epoch, type Position, positionToken } from '../../schemas/envelope.ts';
import type { KeyEvent, OwnerEvent } from '../../schemas/events/keys.ts';
import type { FieldChange } from '../../schemas/views/changes.ts';
import type { KeyChange } from '../../schemas/views/keys.ts';
import type { Fact } from '../decider.ts';
import { decodeStream, ownEvents } from '../decode-stream.ts';
import { keyStream, ownerStream } from '../streams.ts';
import type { AsOfDeps } from './key-as-of.ts';
import { evolveKey, type KeyState, noKey } from './key-state.ts';
import { keyView } from './key-view.ts';
import { evolveOwner, noOwner, type OwnerState } from './owner-state.ts';

export interface HistoryEntry {
  readonly type: string;
  readonly atMs: number;
  readonly position: Position;
  readonly version: number;
  readonly actor: string;
  readonly reason: string | null;
  readonly changes: readonly FieldChange[];
  readonly correlationId: string;
}

export interface HistoryPage {
  /** Oldest first. */
  readonly entries: readonly HistoryEntry[];
  /** What to go on after; null: that was all. */
  readonly next: Position | null;
}

/** How processes lease credits is bookkeeping: it would hide what people did. */
const BOOKKEEPING = new Set(['key.credits-leased', 'key.credits-returned']);

/**
 * The key's own events, and the revoke-all of its owner that revoked it. Null: the tenant has no such key.
 *
 * @param page entries after this position (null: from the first), at most `limit`
 */
export async function keyHistory(
  deps: AsOfDeps,
  tenant: string,
  keyId: string,
  page: { readonly after: Position | null; readonly limit: number },
): Promise<HistoryPage | null> {
  const own = await decodeStream(deps.codec, ownEvents(await deps.log.readStream(keyStream(keyId)), tenant));
  const born = own.reduce((key, event) => evolveKey(key, event as Fact<KeyEvent>), noKey);
  if (born.version === 0 || born.tenant !== tenant) return null;
  const owners =
    born.ownerId === null
      ? []
      : await decodeStream(deps.codec, await deps.log.readStream(ownerStream(tenant, born.ownerId)));
  const merged = [...own, ...owners].sort((a, b) => (a.position < b.position ? -1 : 1));

  const entries: HistoryEntry[] = [];
  let key: KeyState = noKey;
  let owner: OwnerState = noOwner;
  for (const event of merged) {
    const before = told(key, owner, event.timeMs);
    const isOwn = event.stream === own[0]!.stream;
    if (isOwn) key = evolveKey(key, event as Fact<KeyEvent>);
    else owner = evolveOwner(owner, event as Fact<OwnerEvent>);
    const changes = differences(before, told(key, owner, event.timeMs));
    const counts = isOwn ? !BOOKKEEPING.has(event.type) : changes.length > 0;
    if (!counts || (page.after !== null && event.position <= page.after)) continue;
    if (entries.length === page.limit) return { entries, next: entries.at(-1)!.position };
    entries.push(entryOf(event, changes));
  }
  return { entries, next: null };
}

export function keyChangeView(epoch: Epoch, entry: HistoryEntry): KeyChange {
  const { type, version, actor, reason, changes, correlationId } = entry;
  return {
    type,
    at: new Date(entry.atMs).toISOString(),
    position: positionToken(epoch, entry.position),
    version,
    actor,
    reason,
    changes: [...changes],
    correlationId,
  };
}

function entryOf(event: DecodedEvent, changes: readonly FieldChange[]): HistoryEntry {
  const data = event.data as { readonly reason?: string | null; readonly source?: string | null };
  return {
    type: event.type,
    atMs: event.timeMs,
    position: event.position,
    version: event.version,
    actor: event.metadata.actor,
    reason: data.reason ?? data.source ?? null,
    changes,
    correlationId: event.metadata.correlationId,
  };
}

type Fields = Readonly<Record<string, unknown>>;

/** The view without what changes with every event or with time alone; nothing before the key was issued. */
function told(key: KeyState, owner: OwnerState, nowMs: number): Fields | null {
  if (key.version === 0) return null;
  const { id, version, createdAt, createdBy, updatedAt, ...fields } = keyView(key, owner, nowMs);
  return fields;
}

function differences(before: Fields | null, after: Fields | null): FieldChange[] {
  if (after === null) return [];
  const names = Object.keys(after).filter((name) =>
    before === null ? !isEmpty(after[name]) : !isDeepStrictEqual(before[name], after[name]),
  );
  return names.map((field) => ({
    field,
    before: (before?.[field] ?? null) as FieldChange['before'],
    after: (after[field] ?? null) as FieldChange['after'],
  }));
}

function isEmpty(value: unknown): boolean {
  return value === null || value === false || (Array.isArray(value) && value.length === 0);
}
