/** Environments, their flags and their segments as rows. */
import { type EnvironmentFlag, evolveFlag, type FlagFact } from '../../commands/flags/environment-state.ts';
import type { Position, StreamId } from '../../schemas/envelope.ts';
import type { PublicEnvironmentEvent } from '../../schemas/events/flags.ts';
import { BrokenStream } from '../broken-stream.ts';
import type { Tables, Tx } from '../projection.ts';
import { upsertRows } from '../upsert-rows.ts';
import { flagsTarget } from './flags-tables.ts';

export type EnvironmentRow = {
  readonly stream: StreamId;
  readonly tenant: string;
  readonly project: string;
  readonly environment: string;
  readonly approvals_required: number;
  readonly version: number;
  readonly created_position: Position;
  /** Of the last event of its stream. */
  readonly position: Position;
  readonly changed_at_ms: number;
};

export type FlagRow = {
  readonly stream: StreamId;
  readonly flag: string;
  /** Of the flag's last event. */
  readonly position: Position;
  readonly changed_at_ms: number;
  /** `EnvironmentFlag`. */
  readonly state: string;
};

export type SegmentRow = {
  readonly stream: StreamId;
  readonly segment: string;
  readonly position: Position;
  /** `When`, or null: it is gone. */
  readonly state: string;
};

type FlagEvent = Extract<PublicEnvironmentEvent, FlagFact>;

export async function writeEnvironments(
  tx: Tx,
  tables: Tables,
  events: readonly PublicEnvironmentEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const environments = await loadEnvironments(tx, tables, events);
  const flags = await loadFlags(tx, tables, events.filter(isOfFlag));
  const touched = new Map<string, FlagRow>();
  const segments = new Map<string, SegmentRow>();
  for (const event of events) {
    const before = environments.get(event.stream);
    if ((event.type === 'environment.created') === (before !== undefined)) {
      throw new BrokenStream(event, before ? 'the environment began before' : 'there is no such environment');
    }
    if (before && event.version <= before.version) {
      throw new BrokenStream(event, `the row is at version ${before.version} already`);
    }
    environments.set(event.stream, environmentAfter(before, event));
    if (isOfFlag(event)) {
      const name = nameOf(event.stream, event.data.flag);
      const flag = flags.get(name);
      if ((event.type === 'flag.added') === (flag !== undefined)) {
        throw new BrokenStream(event, flag ? 'the flag was added before' : 'there is no such flag');
      }
      const after = evolveFlag(flag, event)!;
      flags.set(name, after);
      touched.set(name, flagRow(event, after));
    } else if (event.type === 'segment.changed') {
      const { stream, position, data } = event;
      const { segment, when } = data;
      segments.set(nameOf(stream, segment), { stream, segment, position, state: JSON.stringify(when) });
    }
  }
  await upsertRows(tx, flagsTarget(tables, 'environment_flags'), [...touched.values()]);
  await upsertRows(tx, flagsTarget(tables, 'segments'), [...segments.values()]);
  await upsertRows(tx, flagsTarget(tables, 'environments'), [...environments.values()]);
}

function isOfFlag(event: PublicEnvironmentEvent): event is FlagEvent {
  return event.type.startsWith('flag.');
}

/** No stream has a space in it. */
function nameOf(stream: StreamId, key: string): string {
  return `${stream} ${key}`;
}

function environmentAfter(before: EnvironmentRow | undefined, event: PublicEnvironmentEvent): EnvironmentRow {
  const { stream, version, position, timeMs } = event;
  const at = { version, position, changed_at_ms: timeMs };
  if (event.type === 'environment.created') {
    const { project, environment, approvalsRequired } = event.data;
    const { tenant } = event.metadata;
    const created = { stream, tenant, project, environment, created_position: position };
    return { ...created, ...at, approvals_required: approvalsRequired };
  }
  if (event.type === 'environment.approvals-changed') {
    return { ...before!, ...at, approvals_required: event.data.approvalsRequired };
  }
  return { ...before!, ...at };
}

function flagRow({ stream, position, timeMs }: FlagEvent, flag: EnvironmentFlag): FlagRow {
  return { stream, flag: flag.key, position, changed_at_ms: timeMs, state: JSON.stringify(flag) };
}

async function loadEnvironments(
  tx: Tx,
  tables: Tables,
  events: readonly PublicEnvironmentEvent[],
): Promise<Map<StreamId, EnvironmentRow>> {
  const streams = [...new Set(events.map(({ stream }) => stream))];
  const rows = await tx.query<EnvironmentRow>(
    `SELECT * FROM ${tables('environments')} WHERE stream = ANY($1::text[])`,
    [streams],
  );
  return new Map(
    rows.map((row) => [
      row.stream,
      {
        ...row,
        approvals_required: Number(row.approvals_required),
        version: Number(row.version),
        changed_at_ms: Number(row.changed_at_ms),
      },
    ]),
  );
}

async function loadFlags(
  tx: Tx,
  tables: Tables,
  events: readonly FlagEvent[],
): Promise<Map<string, EnvironmentFlag>> {
  const refs = [...new Map(events.map((event) => [nameOf(event.stream, event.data.flag), event])).values()];
  if (refs.length === 0) return new Map();
  const rows = await tx.query<FlagRow>(
    `SELECT f.* FROM unnest($1::text[], $2::text[]) AS a (stream, flag)
     JOIN ${tables('environment_flags')} f ON f.stream = a.stream AND f.flag = a.flag`,
    [refs.map(({ stream }) => stream), refs.map(({ data }) => data.flag)],
  );
  return new Map(rows.map((row) => [nameOf(row.stream, row.flag), JSON.parse(row.state) as EnvironmentFlag]));
}
