/** Export and import of the log as a file: bytes, nonces, positions and order as they are. */
import { type EventId, type Position, type Recorded, START, type StreamId } from '../../schemas/envelope.ts';
import type { Pool } from '../postgres/pool.ts';
import { DamagedBackup, readBackup, readBackupHeader, writeBackup } from './backup-file.ts';
import type { PlatformLog } from './platform-log.ts';
import { insertEvents, sequenceOf } from './recorded-row.ts';

const PAGE_EVENTS = 1_000;
const IMPORT_BATCH_EVENTS = 500;
const IMPORT_BATCH_BYTES = 8 * 1024 * 1024;

export interface LogBackupHeader {
  readonly epoch: string;
  /** Position of the last event in the file. */
  readonly head: string;
  readonly events: number;
}

export interface BackupProgress {
  readonly done: number;
  readonly total: number;
}

interface BackupOptions {
  readonly log: PlatformLog;
  readonly pool: Pool;
  readonly path: string;
  readonly onProgress?: (progress: BackupProgress) => void;
}

/** Keys short, for there are many: position, id, stream, version, type, schema version, time, nonce, data, metadata. */
interface Line {
  readonly p: string;
  readonly i: string;
  readonly s: string;
  readonly v: number;
  readonly t: string;
  readonly sv: number;
  readonly ms: number;
  readonly n: string;
  readonly d: string;
  readonly m: string;
}

/**
 * Writes every event through the head of this moment. To be done before the data keys are exported: keys
 * are made before the events that use them, so the later file has the keys of all events in the earlier.
 */
export async function exportLog(options: BackupOptions): Promise<LogBackupHeader> {
  const { log, pool, path, onProgress } = options;
  const { epoch, position: head } = await log.head();
  const [row] = await pool.query<{ events: number }>(
    'SELECT count(*) AS events FROM plinth_log.events WHERE position <= $1',
    [sequenceOf(head)],
  );
  const header: LogBackupHeader = { epoch, head, events: row!.events };
  async function* lines(): AsyncGenerator<Line> {
    let done = 0;
    for (let after = START; after < head; ) {
      const slice = await log.readAll(after, PAGE_EVENTS);
      const events = slice.events.filter((event) => event.position <= head);
      for (const event of events) yield lineOf(event);
      done += events.length;
      onProgress?.({ done, total: header.events });
      if (slice.events.length === 0) throw new Error('the log became shorter while it was exported');
      after = slice.through;
    }
  }
  const written = await writeBackup(path, 'plinth-log', { ...header }, lines());
  if (written !== header.events) throw new Error(`exported ${written} of ${header.events} events`);
  return header;
}

/**
 * Fills an empty log from a file, all of it or nothing, and mints a new epoch: whatever holds a position
 * of the old log must notice. Throws `DamagedBackup` when the file is not as it was written.
 */
export async function importLog(options: BackupOptions): Promise<LogBackupHeader> {
  const { log, pool, path, onProgress } = options;
  const header = await readBackupHeader<LogBackupHeader>(path, 'plinth-log');
  await pool.transaction(async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock(7401, 1)');
    const [row] = await tx.query<{ filled: boolean }>(
      'SELECT EXISTS (SELECT FROM plinth_log.events) AS filled',
    );
    if (row!.filled) throw new Error('The log is not empty: import only into a new one.');
    let done = 0;
    let head: string = START;
    const versions = new Map<string, number>();
    for await (const batch of batches(readBackup<Line>(path, 'plinth-log'))) {
      for (const event of batch) {
        if (event.position <= head || event.version !== (versions.get(event.stream) ?? 0) + 1) {
          throw new DamagedBackup(`${path}: event ${event.id} is out of order`);
        }
        head = event.position;
        versions.set(event.stream, event.version);
      }
      await insertEvents(tx, batch, (index) => sequenceOf(batch[index]!.position));
      done += batch.length;
      onProgress?.({ done, total: header.events });
    }
    if (done !== header.events || head !== header.head) {
      throw new DamagedBackup(`${path} has ${done} events through ${head}, its header says ${header.events}`);
    }
    if (head !== START)
      await tx.query("SELECT setval('plinth_log.positions', $1)", [sequenceOf(head as Position)]);
    await tx.query('UPDATE plinth_log.log SET epoch = gen_random_uuid()');
  });
  return { ...header, epoch: (await log.head()).epoch };
}

/**
 * Whether the log holds the events of the file and nothing else: what an import leaves behind that was
 * ended after the log and before the data keys. Told by the number of events, the last position and the
 * first id, which no other log has.
 */
export async function holdsBackup(options: Omit<BackupOptions, 'onProgress'>): Promise<boolean> {
  const { log, pool, path } = options;
  const header = await readBackupHeader<LogBackupHeader>(path, 'plinth-log');
  if ((await log.head()).position !== header.head) return false;
  const [row] = await pool.query<{ events: number }>('SELECT count(*) AS events FROM plinth_log.events');
  if (row!.events !== header.events) return false;
  const [first] = (await log.readAll(START, 1)).events;
  for await (const line of readBackup<Line>(path, 'plinth-log')) return line.i === first?.id;
  return first === undefined;
}

function lineOf(event: Recorded): Line {
  return {
    p: event.position,
    i: event.id,
    s: event.stream,
    v: event.version,
    t: event.type,
    sv: event.schemaVersion,
    ms: event.timeMs,
    n: base64(event.nonce),
    d: base64(event.data),
    m: base64(event.metadata),
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

async function* batches(lines: AsyncIterable<Line>): AsyncGenerator<Recorded[]> {
  let batch: Recorded[] = [];
  let bytes = 0;
  for await (const line of lines) {
    batch.push({
      position: line.p as Position,
      id: line.i as EventId,
      stream: line.s as StreamId,
      version: line.v,
      type: line.t,
      schemaVersion: line.sv,
      timeMs: line.ms,
      nonce: Buffer.from(line.n, 'base64'),
      data: Buffer.from(line.d, 'base64'),
      metadata: Buffer.from(line.m, 'base64'),
    });
    bytes += line.d.length + line.m.length;
    if (batch.length >= IMPORT_BATCH_EVENTS || bytes >= IMPORT_BATCH_BYTES) {
      yield batch;
      batch = [];
      bytes = 0;
    }
  }
  if (batch.length > 0) yield batch;
}
