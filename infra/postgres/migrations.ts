/** Brings a schema of the database to its newest form; each step once, recorded beside it. */
import { readdir, readFile } from 'node:fs/promises';
import type { Pool } from './pool.ts';

/** Of one statement, and of the wait for a process that migrates. */
const MIGRATION_TIMEOUT_MS = 10 * 60_000;

export interface Migration {
  /** Sorts in the order in which they are applied, e.g. `001-events`. */
  readonly name: string;
  readonly sql: string;
}

/** The `.sql` files of a folder, by name. */
export async function migrationsIn(folder: URL): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  const base = folder.href.endsWith('/') ? folder : new URL(`${folder.href}/`);
  return Promise.all(
    names.map(async (file) => ({
      name: file.slice(0, -'.sql'.length),
      sql: await readFile(new URL(file, base), 'utf8'),
    })),
  );
}

/**
 * Applies what has not been applied, all in one transaction, under a lock so that processes which start
 * together do it once. `schema` is a name of the house, never input. Answers the names applied.
 */
export async function migrate(
  pool: Pool,
  schema: string,
  migrations: readonly Migration[],
): Promise<readonly string[]> {
  if (!/^[a-z][a-z0-9_]*$/.test(schema)) throw new Error(`${schema} is no name for a schema`);
  return pool.transaction(
    async (tx) => {
      // A starting process waits for the one that migrates, however long its migration takes.
      await tx.query('SET LOCAL lock_timeout = 0');
      await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `plinth migrations of ${schema}`,
      ]);
      // IF NOT EXISTS alone misses what another has made while this waited: the server remembers that there
      // was no such schema (the search path names one after the user) until it looks into a table.
      const [made] = await tx.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
      if (!made) await tx.query(`CREATE SCHEMA ${schema}`);
      await tx.query(
        `CREATE TABLE IF NOT EXISTS ${schema}.migrations (
         name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`,
      );
      const rows = await tx.query<{ name: string }>(`SELECT name FROM ${schema}.migrations`);
      const applied = new Set(rows.map((row) => row.name));
      const unknown = [...applied].filter((name) => !migrations.some((migration) => migration.name === name));
      if (unknown.length > 0) {
        throw new Error(
          `The database's schema ${schema} has migrations that this release does not know (${unknown.join(', ')}): a newer release has used it, run that one.`,
        );
      }
      const missing = migrations.filter((migration) => !applied.has(migration.name));
      for (const migration of missing) {
        await tx.query(migration.sql);
        await tx.query(`INSERT INTO ${schema}.migrations (name) VALUES ($1)`, [migration.name]);
      }
      return missing.map((migration) => migration.name);
    },
    { statementTimeoutMs: MIGRATION_TIMEOUT_MS },
  );
}
