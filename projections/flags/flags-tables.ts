/** The tables of the flags read model. `state` is JSON as text: a text column would refuse U+0000 inside. */
import type { TableSpec, Tables, Tx } from '../projection.ts';
import type { UpsertTable } from '../upsert-rows.ts';

const columns = {
  projects: {
    stream: 'text',
    tenant: 'text',
    project: 'text',
    version: 'bigint',
    created_position: 'text',
    position: 'text',
    created_at_ms: 'bigint',
  },
  project_flags: {
    stream: 'text',
    flag: 'text',
    lifecycle: 'text',
    kind: 'text',
    created_position: 'text',
    position: 'text',
    changed_at_ms: 'bigint',
    state: 'text',
  },
  environments: {
    stream: 'text',
    tenant: 'text',
    project: 'text',
    environment: 'text',
    approvals_required: 'bigint',
    version: 'bigint',
    created_position: 'text',
    position: 'text',
    changed_at_ms: 'bigint',
  },
  environment_flags: {
    stream: 'text',
    flag: 'text',
    position: 'text',
    changed_at_ms: 'bigint',
    state: 'text',
  },
  segments: { stream: 'text', segment: 'text', position: 'text', state: 'text' },
} as const;

export type FlagsTable = keyof typeof columns;

const keys: Readonly<Record<FlagsTable, readonly string[]>> = {
  projects: ['stream'],
  project_flags: ['stream', 'flag'],
  environments: ['stream'],
  environment_flags: ['stream', 'flag'],
  segments: ['stream', 'segment'],
};

export const flagsTables: readonly TableSpec[] = (Object.keys(columns) as FlagsTable[]).map((name) => ({
  name,
  key: keys[name],
}));

export function flagsTarget(tables: Tables, name: FlagsTable): UpsertTable {
  return { table: tables(name), columns: columns[name], key: keys[name] };
}

export async function createFlagsTables(tx: Tx, tables: Tables): Promise<void> {
  for (const { name, key } of flagsTables) {
    const of = Object.entries(columns[name as FlagsTable]).map(
      ([column, type]) => `${column} ${type === 'text' ? 'text COLLATE "C"' : type} NOT NULL`,
    );
    await tx.query(`CREATE TABLE ${tables(name)} (${of.join(', ')}, PRIMARY KEY (${key.join(', ')}))`);
  }
  await tx.query(`CREATE INDEX ON ${tables('projects')} (tenant, created_position)`);
  await tx.query(`CREATE INDEX ON ${tables('project_flags')} (stream, created_position)`);
  await tx.query(`CREATE INDEX ON ${tables('environments')} (tenant, project, created_position)`);
  // What has changed of an environment since somebody read it.
  await tx.query(`CREATE INDEX ON ${tables('environment_flags')} (stream, position)`);
  await tx.query(`CREATE INDEX ON ${tables('segments')} (stream, position)`);
}
