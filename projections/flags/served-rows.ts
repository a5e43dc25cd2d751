/** What serving reads of an environment: all of it, or what has changed since it read last. */

import type { EnvironmentChanges } from '../../commands/flags/compile-environment.ts';
import type { EnvironmentFlag } from '../../commands/flags/environment-state.ts';
import type { Position, StreamId } from '../../schemas/envelope.ts';
import type { When } from '../../schemas/flag-values.ts';
import type { Tables, Tx } from '../projection.ts';
import type { EnvironmentRow, FlagRow, SegmentRow } from './environment-rows.ts';

export interface ServedRows extends EnvironmentChanges {
  readonly tenant: string;
  readonly project: string;
  readonly environment: string;
  /** Of the last event of the environment's stream. */
  readonly position: Position;
}

/** @param after changes behind this position alone; `START`: everything. Null: there is no such environment */
export async function servedRows(
  tx: Tx,
  tables: Tables,
  stream: StreamId,
  after: Position,
): Promise<ServedRows | null> {
  const [environment] = await tx.query<EnvironmentRow>(
    `SELECT * FROM ${tables('environments')} WHERE stream = $1`,
    [stream],
  );
  if (!environment) return null;
  const { tenant, project, position } = environment;
  const found = { tenant, project, environment: environment.environment, position };
  if (position <= after) return { ...found, flags: [], segments: [] };
  const changed = 'WHERE stream = $1 AND "position" > $2';
  const flags = await tx.query<FlagRow>(`SELECT state FROM ${tables('environment_flags')} ${changed}`, [
    stream,
    after,
  ]);
  const segments = await tx.query<SegmentRow>(`SELECT segment, state FROM ${tables('segments')} ${changed}`, [
    stream,
    after,
  ]);
  return {
    ...found,
    flags: flags.map(({ state }) => JSON.parse(state) as EnvironmentFlag),
    segments: segments.map(({ segment, state }) => [segment, JSON.parse(state) as When | null]),
  };
}
