/** Reads of streams from the Postgres log: those that come together travel in one query. */
import type { Recorded, StreamId } from '../../schemas/envelope.ts';
import type { Pool, Prepared } from '../postgres/pool.ts';
import { type Coalescer, coalesce } from './coalesce.ts';
import { RECORDED_COLUMNS, recordedOf } from './recorded-row.ts';

const MAX_READS_PER_QUERY = 64;
const MAX_QUERIES_IN_FLIGHT = 2;
const MAX_WAITING_READS = 10_000;
/** A longer stream takes several queries, so that one answer stays small. */
const MAX_EVENTS_PER_READ = 500;
const MAX_VERSION = 2_147_483_647;

export interface WaitingRead {
  readonly stream: StreamId;
  readonly after: number;
  readonly through: number;
  resolve(events: readonly Recorded[]): void;
  reject(error: unknown): void;
}

const readStreams: Prepared = {
  name: 'log_read_streams',
  text: `SELECT wanted.nth, e.*
           FROM unnest($1::text[], $2::integer[], $3::integer[]) WITH ORDINALITY
                AS wanted (stream, after, through, nth)
          CROSS JOIN LATERAL (
                SELECT ${RECORDED_COLUMNS} FROM plinth_log.events e
                 WHERE e.stream = wanted.stream AND e.version > wanted.after AND e.version <= wanted.through
                 ORDER BY e.version LIMIT ${MAX_EVENTS_PER_READ}) e
          ORDER BY wanted.nth, e.version`,
};

export function streamReads(pool: Pool): Coalescer<WaitingRead> {
  return coalesce<WaitingRead>({
    maxCallsInFlight: MAX_QUERIES_IN_FLIGHT,
    maxWaiting: MAX_WAITING_READS,
    take: (waiting) => waiting.splice(0, MAX_READS_PER_QUERY),
    async send(reads) {
      try {
        const pages = await readPages(pool, reads);
        return () => {
          for (const [index, read] of reads.entries()) {
            const page = pages[index]!;
            if (page.length < MAX_EVENTS_PER_READ) read.resolve(page);
            else void readRest(pool, read, page).then(read.resolve, read.reject);
          }
        };
      } catch (error) {
        return () => {
          for (const read of reads) read.reject(error);
        };
      }
    },
  });
}

type Range = Pick<WaitingRead, 'stream' | 'after' | 'through'>;

/** The same range is read once for all who ask for it: every command of a tenant folds the tenant's stream. */
async function readPages(pool: Pool, reads: readonly Range[]): Promise<Recorded[][]> {
  const distinct = new Map<string, Range>();
  for (const read of reads) distinct.set(nameOf(read), read);
  const ranges = [...distinct.values()];
  const rows = await pool.rows(readStreams, [
    ranges.map((read) => read.stream),
    ranges.map((read) => Math.min(read.after, MAX_VERSION)),
    ranges.map((read) => Math.min(read.through, MAX_VERSION)),
  ]);
  const pages: Recorded[][] = ranges.map(() => []);
  for (const row of rows) pages[(row[0] as number) - 1]!.push(recordedOf(row, 1));
  const byName = new Map([...distinct.keys()].map((name, index) => [name, pages[index]!]));
  return reads.map((read) => byName.get(nameOf(read))!);
}

function nameOf({ stream, after, through }: Range): string {
  return `${after} ${through} ${stream}`;
}

async function readRest(pool: Pool, read: Range, first: readonly Recorded[]): Promise<readonly Recorded[]> {
  const events = [...first];
  for (let page = first; page.length === MAX_EVENTS_PER_READ; ) {
    page = (await readPages(pool, [{ ...read, after: page.at(-1)!.version }]))[0]!;
    events.push(...page);
  }
  return events;
}
