/**
 * The rows of the key store, for a backup. Only the keys travel: what was erased is in the log, and a
 * follower without a bookmark reads it there again from the start.
 */
import type { KeyBackup, KeyRow } from '../event-log/key-backup.ts';
import type { Pool, Session } from './pool.ts';

const ROWS_PER_PAGE = 1_000;

interface BackupRow {
  readonly keyId: string;
  readonly tenant: string;
  readonly subject: string | null;
  /** Base64; null: destroyed. */
  readonly wrapped: string | null;
  readonly closed: boolean;
}

export function postgresDataKeysBackup(pool: Pool): KeyBackup {
  return { dump: () => dump(pool), load: (rows) => load(pool, rows) };
}

async function* dump(pool: Pool): AsyncGenerator<KeyRow> {
  // The transaction hands each page over when the reader has taken the one before; a reader that stops
  // makes the next write fail, which ends the transaction.
  const { readable, writable } = new TransformStream<readonly BackupRow[], readonly BackupRow[]>();
  const writer = writable.getWriter();
  const reading = pool
    .transaction(
      async (tx) => {
        let after = '';
        for (;;) {
          const page = await readPage(tx, after);
          if (page.length > 0) await writer.write(page);
          if (page.length < ROWS_PER_PAGE) return;
          after = page.at(-1)!.keyId;
        }
      },
      { isolation: 'repeatable read', readOnly: true },
    )
    .then(
      () => writer.close(),
      (error: unknown) => writer.abort(error),
    );
  reading.catch(() => undefined);
  for await (const page of readable) for (const row of page) yield { ...row };
  await reading;
}

function readPage(tx: Session, after: string): Promise<readonly BackupRow[]> {
  return tx.query<BackupRow>(
    `SELECT key_id AS "keyId", tenant, subject, translate(encode(wrapped, 'base64'), E'\\n', '') AS wrapped, closed
     FROM plinth_keys.data_keys WHERE key_id > $1 ORDER BY key_id LIMIT ${ROWS_PER_PAGE}`,
    [after],
  );
}

async function load(pool: Pool, rows: AsyncIterable<KeyRow>): Promise<number> {
  return pool.transaction(async (tx) => {
    await tx.query('LOCK TABLE plinth_keys.data_keys IN EXCLUSIVE MODE');
    const [first] = await tx.query('SELECT 1 FROM plinth_keys.data_keys LIMIT 1');
    if (first) throw new Error('the key store is not empty: data keys are imported into an empty one only');
    let loaded = 0;
    let page: KeyRow[] = [];
    const write = async () => {
      await tx.query(
        `INSERT INTO plinth_keys.data_keys (key_id, tenant, subject, wrapped, closed)
         SELECT "keyId", tenant, subject, decode(wrapped, 'base64'), closed
         FROM jsonb_to_recordset($1::jsonb)
           AS r ("keyId" text, tenant text, subject text, wrapped text, closed boolean)`,
        [JSON.stringify(page)],
      );
      loaded += page.length;
      page = [];
    };
    for await (const row of rows) {
      page.push(row);
      if (page.length === ROWS_PER_PAGE) await write();
    }
    if (page.length > 0) await write();
    return loaded;
  });
}
