/** Projects, and what each knows of its flags, as rows. */
import {
  evolveProjectFlag,
  type ProjectFlag,
  type ProjectFlagFact,
} from '../../commands/flags/project-state.ts';
import type { Position, StreamId } from '../../schemas/envelope.ts';
import type { PublicProjectEvent } from '../../schemas/events/flags.ts';
import { BrokenStream } from '../broken-stream.ts';
import type { Tables, Tx } from '../projection.ts';
import { upsertRows } from '../upsert-rows.ts';
import { flagsTarget } from './flags-tables.ts';

export type ProjectRow = {
  readonly stream: StreamId;
  readonly tenant: string;
  readonly project: string;
  readonly version: number;
  readonly created_position: Position;
  readonly position: Position;
  readonly created_at_ms: number;
};

export type ProjectFlagRow = {
  readonly stream: StreamId;
  readonly flag: string;
  readonly lifecycle: string;
  readonly kind: string;
  readonly created_position: Position;
  readonly position: Position;
  readonly changed_at_ms: number;
  /** `ProjectFlag`. */
  readonly state: string;
};

type FlagEvent = Extract<PublicProjectEvent, ProjectFlagFact>;

export async function writeProjects(
  tx: Tx,
  tables: Tables,
  events: readonly PublicProjectEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const projects = await loadProjects(tx, tables, events);
  const flags = await loadFlags(tx, tables, events.filter(isOfFlag));
  for (const event of events) {
    const before = projects.get(event.stream);
    if ((event.type === 'project.created') === (before !== undefined)) {
      throw new BrokenStream(event, before ? 'the project was made before' : 'there is no such project');
    }
    if (before && event.version <= before.version) {
      throw new BrokenStream(event, `the row is at version ${before.version} already`);
    }
    projects.set(event.stream, projectAfter(before, event));
    if (!isOfFlag(event)) continue;
    const name = nameOf(event);
    const known = flags.get(name);
    if ((event.type === 'project.flag-created') === (known !== undefined)) {
      throw new BrokenStream(event, known ? 'the flag was made before' : 'there is no such flag');
    }
    flags.set(name, flagAfter(known, event));
  }
  await upsertRows(tx, flagsTarget(tables, 'project_flags'), [...flags.values()]);
  await upsertRows(tx, flagsTarget(tables, 'projects'), [...projects.values()]);
}

function isOfFlag(event: PublicProjectEvent): event is FlagEvent {
  return event.type.startsWith('project.flag-');
}

function nameOf({ stream, data }: FlagEvent): string {
  return `${stream} ${data.flag}`;
}

function projectAfter(before: ProjectRow | undefined, event: PublicProjectEvent): ProjectRow {
  const { stream, version, position, timeMs } = event;
  if (event.type !== 'project.created') return { ...before!, version, position };
  const { tenant } = event.metadata;
  const { project } = event.data;
  return { stream, tenant, project, version, position, created_position: position, created_at_ms: timeMs };
}

function flagAfter(before: ProjectFlagRow | undefined, event: FlagEvent): ProjectFlagRow {
  const { flag: key } = event.data;
  const known = before && (JSON.parse(before.state) as ProjectFlag);
  const flag = evolveProjectFlag(known, event)!;
  return {
    stream: event.stream,
    flag: key,
    lifecycle: flag.lifecycle,
    kind: flag.kind,
    created_position: before?.created_position ?? event.position,
    position: event.position,
    changed_at_ms: event.timeMs,
    state: JSON.stringify(flag),
  };
}

async function loadProjects(
  tx: Tx,
  tables: Tables,
  events: readonly PublicProjectEvent[],
): Promise<Map<StreamId, ProjectRow>> {
  const rows = await tx.query<ProjectRow>(
    `SELECT * FROM ${tables('projects')} WHERE stream = ANY($1::text[])`,
    [[...new Set(events.map(({ stream }) => stream))]],
  );
  return new Map(
    rows.map((row) => [
      row.stream,
      { ...row, version: Number(row.version), created_at_ms: Number(row.created_at_ms) },
    ]),
  );
}

async function loadFlags(
  tx: Tx,
  tables: Tables,
  events: readonly FlagEvent[],
): Promise<Map<string, ProjectFlagRow>> {
  const refs = [...new Map(events.map((event) => [nameOf(event), event])).values()];
  if (refs.length === 0) return new Map();
  const rows = await tx.query<ProjectFlagRow>(
    `SELECT f.* FROM unnest($1::text[], $2::text[]) AS a (stream, flag)
     JOIN ${tables('project_flags')} f ON f.stream = a.stream AND f.flag = a.flag`,
    [refs.map(({ stream }) => stream), refs.map(({ data }) => data.flag)],
  );
  return new Map(
    rows.map((row) => [`${row.stream} ${row.flag}`, { ...row, changed_at_ms: Number(row.changed_at_ms) }]),
  );
}
