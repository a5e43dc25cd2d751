/** Change requests as they are listed: open ones, and what became of the others. */
import { type ChangeRequest, evolveRequest } from '../../commands/flags/change-request.ts';
import type { Position, StreamId } from '../../schemas/envelope.ts';
import { type DecodedEnvironmentEvent, requestEvents } from '../../schemas/events/flags.ts';
import { BrokenStream } from '../broken-stream.ts';
import { MAX_PAGE_ITEMS, type Page, type PageRequest } from '../page.ts';
import type { Projection, Tables, Tx } from '../projection.ts';
import { upsertRows } from '../upsert-rows.ts';

export type RequestStatus = 'open' | 'applied' | 'withdrawn' | 'rejected';

/** A request as it is stored: what it says last, and what became of it. */
export interface StoredRequest extends ChangeRequest {
  readonly title: string | null;
  readonly status: RequestStatus;
  /** Of the one who closed it, or nothing. */
  readonly reason: string | null;
  readonly openedBy: string;
  readonly openedAtMs: number;
  readonly changedAtMs: number;
}

interface RequestRow {
  readonly stream: StreamId;
  readonly request: string;
  readonly status: string;
  readonly created_position: Position;
  readonly state: string;
}

type RequestEvent = Extract<DecodedEnvironmentEvent, { readonly type: `change-request.${string}` }>;

const columns = {
  stream: 'text',
  request: 'text',
  status: 'text',
  created_position: 'text',
  state: 'text',
};

export const changeRequestsProjection: Projection = {
  name: 'change_requests',
  revision: 1,
  // From Kafka it would have twelve places to move for every step of the relay, and seldom an event.
  order: 'log',
  types: new Set(Object.keys(requestEvents)),
  tables: [{ name: 'requests', key: ['stream', 'request'] }],
  reads: 'personal',
  publishesChanges: false,
  async create(tx, tables) {
    // `state`: JSON as text, for a text column would refuse U+0000 in a title.
    await tx.query(`CREATE TABLE ${tables('requests')} (
      stream text COLLATE "C" NOT NULL,
      request text COLLATE "C" NOT NULL,
      status text COLLATE "C" NOT NULL,
      created_position text COLLATE "C" NOT NULL,
      state text NOT NULL,
      PRIMARY KEY (stream, request)
    )`);
    await tx.query(`CREATE INDEX ON ${tables('requests')} (stream, created_position)`);
  },
  async apply(tx, tables, events) {
    const asked = events as RequestEvent[];
    const rows = await tx.query<RequestRow>(
      `SELECT r.* FROM unnest($1::text[], $2::text[]) AS a (stream, request)
       JOIN ${tables('requests')} r ON r.stream = a.stream AND r.request = a.request`,
      [asked.map(({ stream }) => stream), asked.map(({ data }) => data.request)],
    );
    const known = new Map(rows.map((row) => [`${row.stream} ${row.request}`, row]));
    for (const event of asked) {
      const name = `${event.stream} ${event.data.request}`;
      known.set(name, rowAfter(known.get(name), event));
    }
    const target = { table: tables('requests'), columns, key: ['stream', 'request'] };
    await upsertRows(
      tx,
      target,
      [...known.values()].map((row) => ({ ...row })),
    );
  },
};

function rowAfter(row: RequestRow | undefined, event: RequestEvent): RequestRow {
  const before = row && (JSON.parse(row.state) as StoredRequest);
  if ((event.type === 'change-request.opened') === (before !== undefined)) {
    throw new BrokenStream(event, before ? 'the request was opened before' : 'there is no such request');
  }
  const { type, data, timeMs, metadata, stream, position } = event;
  const opened = before ?? {
    title: null,
    openedBy: metadata.actor,
    openedAtMs: timeMs,
  };
  const said = evolveRequest(before, event) ?? before!;
  const stored: StoredRequest = {
    ...opened,
    ...said,
    ...('title' in data && { title: data.title }),
    status: statusAfter(event),
    reason: type === 'change-request.closed' ? data.reason : null,
    revision: (before?.revision ?? 0) + 1,
    changedAtMs: timeMs,
  };
  return {
    stream,
    request: data.request,
    status: stored.status,
    created_position: row?.created_position ?? position,
    state: JSON.stringify(stored),
  };
}

function statusAfter(event: RequestEvent): RequestStatus {
  if (event.type === 'change-request.applied') return 'applied';
  return event.type === 'change-request.closed' ? (event.data.outcome as RequestStatus) : 'open';
}

/** Newest first. */
export async function listRequests(
  tx: Tx,
  tables: Tables,
  stream: StreamId,
  status: RequestStatus | null,
  page: PageRequest,
): Promise<Page<StoredRequest>> {
  const limit = Math.min(page.limit, MAX_PAGE_ITEMS);
  const rows = await tx.query<RequestRow>(
    `SELECT * FROM ${tables('requests')}
     WHERE stream = $1 AND ($2::text IS NULL OR created_position < $2) AND ($3::text IS NULL OR status = $3)
     ORDER BY created_position DESC LIMIT $4`,
    [stream, page.after, status, limit + 1],
  );
  const kept = rows.slice(0, limit);
  return {
    items: kept.map(({ state }) => JSON.parse(state) as StoredRequest),
    next: rows.length > limit ? kept.at(-1)!.created_position : null,
  };
}

export async function getRequest(
  tx: Tx,
  tables: Tables,
  stream: StreamId,
  request: string,
): Promise<StoredRequest | null> {
  const [row] = await tx.query<RequestRow>(
    `SELECT * FROM ${tables('requests')} WHERE stream = $1 AND request = $2`,
    [stream, request],
  );
  return row ? (JSON.parse(row.state) as StoredRequest) : null;
}
