/** What is asked about projects, environments and flags. */
import type { EnvironmentFlag, EnvironmentState } from '../../commands/flags/environment-state.ts';
import { noEnvironment } from '../../commands/flags/environment-state.ts';
import type { ProjectFlag } from '../../commands/flags/project-state.ts';
import { environmentStream, projectStream } from '../../commands/streams.ts';
import type { Position, StreamId } from '../../schemas/envelope.ts';
import type { Lifecycle, When } from '../../schemas/flag-values.ts';
import { MAX_PAGE_ITEMS, type Page, type PageRequest } from '../page.ts';
import type { Tables, Tx } from '../projection.ts';
import type { EnvironmentRow, FlagRow, SegmentRow } from './environment-rows.ts';
import type { ProjectFlagRow, ProjectRow } from './project-rows.ts';

/** Newest first. */
export async function listProjects(
  tx: Tx,
  tables: Tables,
  tenant: string,
  page: PageRequest,
): Promise<Page<ProjectRow>> {
  const limit = Math.min(page.limit, MAX_PAGE_ITEMS);
  const rows = await tx.query<ProjectRow>(
    `SELECT * FROM ${tables('projects')}
     WHERE tenant = $1 AND ($2::text IS NULL OR created_position < $2)
     ORDER BY created_position DESC LIMIT $3`,
    [tenant, page.after, limit + 1],
  );
  return pageOf(rows, limit);
}

export async function getProject(
  tx: Tx,
  tables: Tables,
  tenant: string,
  project: string,
): Promise<ProjectRow | null> {
  const [row] = await tx.query<ProjectRow>(`SELECT * FROM ${tables('projects')} WHERE stream = $1`, [
    projectStream(tenant, project),
  ]);
  return row ?? null;
}

/** All of a project, oldest first: there are at most `MAX_ENVIRONMENTS_OF_PROJECT`. */
export function listEnvironments(
  tx: Tx,
  tables: Tables,
  tenant: string,
  project: string,
): Promise<readonly EnvironmentRow[]> {
  return tx.query<EnvironmentRow>(
    `SELECT * FROM ${tables('environments')} WHERE tenant = $1 AND project = $2 ORDER BY created_position`,
    [tenant, project],
  );
}

export interface FlagFilter {
  readonly lifecycle?: Lifecycle;
  /** Start of the key. */
  readonly q?: string;
}

export interface ListedFlag {
  readonly flag: ProjectFlag;
  readonly environments: readonly {
    readonly environment: string;
    readonly flag: EnvironmentFlag;
    readonly changedAtMs: number;
  }[];
}

/** Newest first. */
export async function listFlags(
  tx: Tx,
  tables: Tables,
  tenant: string,
  project: string,
  filter: FlagFilter,
  page: PageRequest,
): Promise<Page<ListedFlag>> {
  const limit = Math.min(page.limit, MAX_PAGE_ITEMS);
  const rows = await tx.query<ProjectFlagRow>(
    `SELECT * FROM ${tables('project_flags')}
     WHERE stream = $1 AND ($2::text IS NULL OR created_position < $2)
       AND ($3::text IS NULL OR lifecycle = $3) AND ($4::text IS NULL OR starts_with(flag, $4))
     ORDER BY created_position DESC LIMIT $5`,
    [projectStream(tenant, project), page.after, filter.lifecycle ?? null, filter.q ?? null, limit + 1],
  );
  const { items, next } = pageOf(rows, limit);
  return { items: await withEnvironments(tx, tables, tenant, project, items), next };
}

export async function getFlag(
  tx: Tx,
  tables: Tables,
  tenant: string,
  project: string,
  key: string,
): Promise<ListedFlag | null> {
  const rows = await tx.query<ProjectFlagRow>(
    `SELECT * FROM ${tables('project_flags')} WHERE stream = $1 AND flag = $2`,
    [projectStream(tenant, project), key],
  );
  const [found] = await withEnvironments(tx, tables, tenant, project, rows);
  return found ?? null;
}

/** A page of whole flags ends early at this many characters of them, with one flag at least. */
export const MAX_FLAGS_PAGE_CHARACTERS = 1_048_576;

/** An environment's flags as they answer, newest first; null: there is no such environment. */
export async function listEnvironmentFlags(
  tx: Tx,
  tables: Tables,
  { tenant, project, environment }: { tenant: string; project: string; environment: string },
  page: PageRequest,
): Promise<Page<EnvironmentFlag> | null> {
  const stream = environmentStream(tenant, project, environment);
  const [found] = await tx.query(`SELECT 1 FROM ${tables('environments')} WHERE stream = $1`, [stream]);
  if (!found) return null;
  const limit = Math.min(page.limit, MAX_PAGE_ITEMS);
  const rows = await tx.query<Pick<FlagRow, 'state'> & { readonly created_position: Position }>(
    `SELECT f.state, p.created_position
     FROM ${tables('project_flags')} p JOIN ${tables('environment_flags')} f ON f.stream = $2 AND f.flag = p.flag
     WHERE p.stream = $1 AND ($3::text IS NULL OR p.created_position < $3)
     ORDER BY p.created_position DESC LIMIT $4`,
    [projectStream(tenant, project), stream, page.after, limit + 1],
  );
  let characters = 0;
  const fit = rows.findIndex(({ state }, i) => {
    characters += state.length;
    return i > 0 && characters > MAX_FLAGS_PAGE_CHARACTERS;
  });
  const { items, next } = pageOf(rows, fit === -1 ? limit : Math.min(limit, fit));
  return { items: items.map(({ state }) => JSON.parse(state) as EnvironmentFlag), next };
}

/** One flag of an environment with what its rules refer to, and no more: none where there is no such flag. */
export async function flagWithReferences(
  tx: Tx,
  tables: Tables,
  stream: StreamId,
  key: string,
): Promise<Pick<EnvironmentState, 'flags' | 'segments'>> {
  let { flags } = noEnvironment;
  for (let wanted = [key]; wanted.length > 0; ) {
    const rows = await tx.query<FlagRow>(
      `SELECT state FROM ${tables('environment_flags')} WHERE stream = $1 AND flag = ANY($2::text[])`,
      [stream, wanted],
    );
    const found = rows.map(({ state }) => JSON.parse(state) as EnvironmentFlag);
    for (const flag of found) flags = flags.set(flag.key, flag);
    const named = found.flatMap(({ settings }) => settings.prerequisites.map(({ flag }) => flag));
    // Prerequisites go in no circle: each round finds others, or nothing.
    wanted = [...new Set(named)].filter((name) => !flags.has(name));
    if (found.length === 0) break;
  }
  const segments = await listSegments(tx, tables, stream);
  return {
    flags,
    segments: noEnvironment.segments.withMutations((map) => {
      for (const [segment, when] of segments) map.set(segment, when);
    }),
  };
}

/** All of an environment by key: there are at most `MAX_SEGMENTS_OF_ENVIRONMENT`. */
export async function listSegments(
  tx: Tx,
  tables: Tables,
  stream: StreamId,
): Promise<readonly (readonly [string, When])[]> {
  const rows = await tx.query<SegmentRow>(
    `SELECT segment, state FROM ${tables('segments')} WHERE stream = $1 ORDER BY segment`,
    [stream],
  );
  return rows.flatMap(({ segment, state }) => {
    const when = JSON.parse(state) as When | null;
    return when === null ? [] : [[segment, when] as const];
  });
}

async function withEnvironments(
  tx: Tx,
  tables: Tables,
  tenant: string,
  project: string,
  rows: readonly ProjectFlagRow[],
): Promise<readonly ListedFlag[]> {
  if (rows.length === 0) return [];
  const environments = await listEnvironments(tx, tables, tenant, project);
  const nameOf = new Map(
    environments.map(({ environment }) => [environmentStream(tenant, project, environment), environment]),
  );
  const found = await tx.query<FlagRow>(
    `SELECT * FROM ${tables('environment_flags')} WHERE stream = ANY($1::text[]) AND flag = ANY($2::text[])`,
    [[...nameOf.keys()], rows.map(({ flag }) => flag)],
  );
  return rows.map(({ flag: key, state }) => ({
    flag: JSON.parse(state) as ProjectFlag,
    environments: environments.flatMap(({ stream, environment }) => {
      const row = found.find((one) => one.stream === stream && one.flag === key);
      if (!row) return [];
      const flag = JSON.parse(row.state) as EnvironmentFlag;
      return [{ environment, flag, changedAtMs: Number(row.changed_at_ms) }];
    }),
  }));
}

function pageOf<Row extends { readonly created_position: Position }>(
  rows: readonly Row[],
  limit: number,
): Page<Row> {
  const items = rows.slice(0, limit);
  return { items, next: rows.length > limit ? items.at(-1)!.created_position : null };
}
