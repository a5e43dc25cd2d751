/** What verify needs of keys, with its stamp, in one statement and so in one snapshot. */
import type { KeyState } from '../../commands/keys/key-state.ts';
import { noOwner, type OwnerState } from '../../commands/keys/owner-state.ts';
import type { TenantId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { Stamp, Tables } from '../projection.ts';

/** Our own format carries its id; a foreign key is found by its digest, within the caller's tenant. */
export type KeyLookup =
  | { readonly keyId: string }
  | { readonly tenant: TenantId; readonly digests: readonly string[] };

export interface VerifyRow {
  /** Null: no such key. Where several keys of a tenant have one foreign digest, the one issued last. */
  readonly key: KeyState | null;
  /** `noOwner` when the key has none, or nothing was ever done to all of the owner's keys. */
  readonly owner: OwnerState;
  /** Null: no such key, or the tenant's stream was never seen. */
  readonly tenant: { readonly tenantId: TenantId; readonly slug: string; readonly suspended: boolean } | null;
  /** Of a key whose very issue is parked nothing is known but this. */
  readonly parked: { readonly key: boolean; readonly owner: boolean; readonly tenant: boolean };
}

export interface VerifyRows {
  /** Of the same snapshot as the rows. */
  readonly stamp: Stamp;
  /** Why the projection halted, or null. */
  readonly halted: string | null;
  /** In the order of the lookups. */
  readonly rows: readonly VerifyRow[];
}

export const MAX_LOOKUPS = 100;

/** Answers from the primary, each statement in a snapshot of its own; prepares by name. */
export interface Primary {
  query<Row extends object>(
    statement: { readonly name: string; readonly text: string },
    params: readonly unknown[],
  ): Promise<readonly Row[]>;
}

/** A swap that happens between two statements makes one more of them; no more than this many. */
const MAX_ATTEMPTS = 3;
/** The tables of a revision that was swapped out and dropped. */
const UNDEFINED_TABLE = '42P01';

/**
 * Loads rows of at most `MAX_LOOKUPS` keys. It remembers which revision is current, so that one statement
 * does; the answer is of the revision that the same snapshot calls current.
 */
export function verifyRowLoader(
  primary: Primary,
  tablesOf: (revision: number) => Tables,
): (lookups: readonly KeyLookup[]) => Promise<VerifyRows> {
  let revision: number | null = null;
  return async (lookups) => {
    if (lookups.length > MAX_LOOKUPS) throw new RangeError(`at most ${MAX_LOOKUPS} lookups at a time`);
    const params = paramsOf(lookups);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      revision ??= await currentRevision(primary);
      const asked: number = revision;
      try {
        const found = await primary.query<Row>(statementOf(asked, tablesOf(asked)), params);
        const current = found[0]?.revision;
        if (current === asked) return answerOf(found, lookups.length);
        revision = current ?? null;
      } catch (error) {
        if ((error as { code?: unknown }).code !== UNDEFINED_TABLE) throw error;
        revision = null;
      }
    }
    throw new PlinthError('unavailable', 'The keys read model is being swapped.');
  };
}

async function currentRevision(primary: Primary): Promise<number> {
  const [row] = await primary.query<{ current_revision: number | null }>(
    {
      name: 'keys-current-revision',
      text: `SELECT current_revision FROM plinth.projections WHERE name = 'keys'`,
    },
    [],
  );
  if (!row?.current_revision) throw new PlinthError('unavailable', 'The keys read model is not made yet.');
  return row.current_revision;
}

/** By id: number of the lookup, id. By digest: number of the lookup, tenant, digest, one for each digest. */
function paramsOf(lookups: readonly KeyLookup[]): readonly unknown[][] {
  const params: unknown[][] = [[], [], [], [], []];
  const [idOf, ids, digestOf, tenants, digests] = params as [
    number[],
    string[],
    number[],
    string[],
    string[],
  ];
  for (const [i, lookup] of lookups.entries()) {
    if ('keyId' in lookup) {
      idOf.push(i);
      ids.push(lookup.keyId);
      continue;
    }
    for (const digest of lookup.digests) {
      digestOf.push(i);
      tenants.push(lookup.tenant);
      digests.push(digest);
    }
  }
  return params;
}

/** The stamp comes back even when no key is found: then with a row whose `i` is null. */
function statementOf(revision: number, tables: Tables): { name: string; text: string } {
  const parked = (stream: string) =>
    `EXISTS (SELECT FROM plinth.parked_streams s
      WHERE s.projection = p.name AND s.revision = c.revision AND s.stream = ${stream})`;
  return {
    name: `keys-verify-row-${revision}`,
    text: `WITH wanted AS (
        SELECT i, key_id FROM unnest($1::int[], $2::text[]) AS a (i, key_id)
        UNION ALL
        (SELECT DISTINCT ON (a.i) a.i, d.key_id
          FROM unnest($3::int[], $4::text[], $5::text[]) AS a (i, tenant, digest)
          JOIN ${tables('key_digests')} d ON d.tenant = a.tenant AND d.digest = a.digest
          ORDER BY a.i, d.created_position DESC)
      )
      SELECT c.revision, c.epoch, c."position", c.event_id, c.halted, w.i, k.state,
        o.version AS owner_version, o.revoked_all_version, o.revoked_all_at_ms,
        t.tenant, t.slug, t.suspended,
        ${parked(`'key-' || w.key_id`)} AS key_parked,
        ${parked('k.owner_stream')} AS owner_parked,
        ${parked(`'tenant-' || k.tenant`)} AS tenant_parked
      FROM plinth.projections p
      JOIN plinth.checkpoints c ON c.projection = p.name AND c.revision = p.current_revision
      LEFT JOIN wanted w ON true
      LEFT JOIN ${tables('keys')} k ON k.key_id = w.key_id
      LEFT JOIN ${tables('owners')} o ON o.tenant = k.tenant AND o.owner_id = k.owner_id
      LEFT JOIN ${tables('tenants')} t ON t.tenant = k.tenant
      WHERE p.name = 'keys'`,
  };
}

interface Row {
  revision: number;
  epoch: Stamp['epoch'];
  position: Stamp['position'];
  event_id: Stamp['eventId'];
  halted: string | null;
  i: number | null;
  state: string | null;
  owner_version: number | null;
  revoked_all_version: number;
  revoked_all_at_ms: number;
  tenant: TenantId | null;
  slug: string;
  suspended: boolean;
  key_parked: boolean;
  owner_parked: boolean;
  tenant_parked: boolean;
}

const nothing: VerifyRow = {
  key: null,
  owner: noOwner,
  tenant: null,
  parked: { key: false, owner: false, tenant: false },
};

function answerOf(found: readonly Row[], lookups: number): VerifyRows {
  const { revision, epoch, position, event_id: eventId, halted } = found[0]!;
  const rows = new Array<VerifyRow>(lookups).fill(nothing);
  for (const row of found) if (row.i !== null) rows[row.i] = rowOf(row);
  return { stamp: { epoch, revision, position, eventId }, halted, rows };
}

function rowOf(row: Row): VerifyRow {
  return {
    key: row.state === null ? null : (JSON.parse(row.state) as KeyState),
    owner:
      row.owner_version === null
        ? noOwner
        : {
            version: Number(row.owner_version),
            revokedAllVersion: Number(row.revoked_all_version),
            revokedAllAtMs: Number(row.revoked_all_at_ms),
          },
    tenant: row.tenant === null ? null : { tenantId: row.tenant, slug: row.slug, suspended: row.suspended },
    parked: { key: row.key_parked, owner: row.owner_parked, tenant: row.tenant_parked },
  };
}
