/** The guard: a session lock on a server that tells which process owns it, and ends with that process. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { isAlive } from './data-folder.ts';

/** Names the guard among advisory locks of the database `postgres`. */
const GUARD_LOCK = 7_401_001;
/** Of the guard's connection; the owner's pid follows. */
export const GUARD_NAME = 'plinth guard ';
const GUARD_WAIT_MS = 5_000;
const POLL_MS = 20;

/** False when a living process has it. The server may notice a moment late that a dead one's is free. */
export async function takeGuard(client: pg.Client): Promise<boolean> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const { rows } = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [
      GUARD_LOCK,
    ]);
    if (rows[0]?.got === true) return true;
    const holder = await client.query<{ name: string }>(
      `SELECT application_name AS name FROM pg_stat_activity JOIN pg_locks USING (pid)
        WHERE locktype = 'advisory' AND objid = $1::bigint::oid AND granted`,
      [GUARD_LOCK],
    );
    const pid = Number(holder.rows[0]?.name.slice(GUARD_NAME.length));
    if (waitedMs >= GUARD_WAIT_MS || isAlive(pid)) return false;
    await sleep(POLL_MS);
  }
}
