/** Connections to PostgreSQL: bounded, with time limits on everything, and typed rows out. */
import pg from 'pg';
import { ofSetting } from '../engine-of.ts';
import { isUnanswered } from './errors.ts';

/** A statement that is prepared once a connection and then only executed. Names are unique in the house. */
export interface Prepared {
  readonly name: string;
  readonly text: string;
}

export interface Session {
  query<Row extends object = Record<string, unknown>>(
    statement: string | Prepared,
    params?: readonly unknown[],
  ): Promise<readonly Row[]>;
}

export type Isolation = 'read committed' | 'repeatable read' | 'serializable';

export interface TransactionOptions {
  /** Default `read committed`. */
  readonly isolation?: Isolation;
  readonly readOnly?: boolean;
  /** Of each statement in it, in place of the pool's. */
  readonly statementTimeoutMs?: number;
}

export interface PoolStats {
  readonly total: number;
  readonly idle: number;
  readonly waiting: number;
}

export interface Pool extends Session {
  /** Commits what `work` did; rolls back, and throws the same on, when it throws. */
  transaction<R>(work: (tx: Session) => Promise<R>, options?: TransactionOptions): Promise<R>;
  /** Runs `work` on one connection, without a transaction. */
  session<R>(work: (session: Session) => Promise<R>): Promise<R>;
  /** Rows as arrays, in the order of the columns: cheaper where there are many. */
  rows(statement: Prepared, params: readonly unknown[]): Promise<readonly (readonly unknown[])[]>;
  readonly connectionString: string;
  readonly applicationName: string;
  stats(): PoolStats;
  close(): Promise<void>;
}

export interface PoolOptions {
  readonly connectionString: string;
  /** Seen in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Names the server, where it is another than the primary: errors are told with it. */
  readonly setting?: string;
  readonly maxConnections?: number;
  readonly statementTimeoutMs?: number;
  /**
   * A connection on which an answer is waited for longer is given up: whoever is there may be gone, and TCP
   * notices that after a quarter of an hour. By default 5 s more than a statement may take.
   */
  readonly answerTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
  readonly idleInTransactionTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** Of every statement: its name (or `adhoc`), how long it took, whether it failed. For metrics. */
  readonly onQuery?: (name: string, durationMs: number, failed: boolean) => void;
  /** A connection that nobody was using broke; the pool replaces it. */
  readonly onLostConnection?: (error: Error) => void;
}

const STATEMENT_TIMEOUT_MS = 30_000;
/** For the answer of a server that ends a statement itself. */
const ANSWER_GRACE_MS = 5_000;
const INT8 = 20;

/** `bigint` columns hold counts, versions and times: numbers, as long as they are exact. */
function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is past 2^53: select it as text`);
  return value;
}

const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    return oid === INT8 ? parseInt8 : pg.types.getTypeParser(oid, format as 'text');
  },
} as pg.CustomTypesConfig;

export function createPool(options: PoolOptions): Pool {
  const statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS;
  const pool = new pg.Pool({
    connectionString: options.connectionString,
    application_name: options.applicationName,
    max: options.maxConnections ?? 10,
    statement_timeout: statementTimeoutMs,
    query_timeout: options.answerTimeoutMs ?? statementTimeoutMs + ANSWER_GRACE_MS,
    lock_timeout: options.lockTimeoutMs ?? 10_000,
    idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? 30_000,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    types,
  });
  // Without these an unused connection that breaks, or one that breaks between two statements of a
  // transaction, would end the process.
  pool.on('error', (error) => options.onLostConnection?.(error));
  pool.on('connect', (client) => client.on('error', () => undefined));

  /** What fails is of the server that the setting names. */
  const named = async <R>(asked: Promise<R>): Promise<R> => {
    if (options.setting === undefined) return asked;
    return asked.catch((error: unknown) => {
      throw ofSetting(error, options.setting!);
    });
  };

  async function timed<R>(statement: string | Prepared, run: () => Promise<R>): Promise<R> {
    if (!options.onQuery) return run();
    const name = typeof statement === 'string' ? 'adhoc' : statement.name;
    const startedMs = performance.now();
    let failed = true;
    try {
      const result = await run();
      failed = false;
      return result;
    } finally {
      options.onQuery(name, performance.now() - startedMs, failed);
    }
  }

  /** @param answerTimeoutMs in place of the pool's */
  function on(target: pg.Pool | pg.PoolClient, answerTimeoutMs?: number): Session {
    const limits = answerTimeoutMs === undefined ? {} : { query_timeout: answerTimeoutMs };
    return {
      query<Row extends object>(statement: string | Prepared, params?: readonly unknown[]) {
        return timed(statement, async () => {
          const config = typeof statement === 'string' ? { text: statement } : statement;
          const asked = target.query<Row & pg.QueryResultRow>({
            ...config,
            ...limits,
            ...(params && { values: params as unknown[] }),
          });
          const result = await named(asked);
          // Several statements in one text, sent in one round trip: the rows of the last.
          const last = Array.isArray(result) ? (result.at(-1) as typeof result) : result;
          return last.rows as readonly Row[];
        });
      },
    };
  }

  async function session<R>(work: (client: pg.PoolClient) => Promise<R>): Promise<R> {
    const client = await named(pool.connect());
    let broken = true;
    try {
      const result = await work(client);
      broken = false;
      return result;
    } catch (error) {
      // An error that the server answered leaves the connection whole; any other may have broken it.
      broken = !(error instanceof RolledBack) && !(error instanceof pg.DatabaseError);
      throw error instanceof RolledBack ? error.cause : error;
    } finally {
      client.release(broken);
    }
  }

  return {
    ...on(pool),
    connectionString: options.connectionString,
    applicationName: options.applicationName,
    session: (work) => session((client) => work(on(client))),
    transaction(work, { isolation = 'read committed', readOnly = false, statementTimeoutMs: ownMs } = {}) {
      return session(async (client) => {
        const limit = ownMs === undefined ? '' : `; SET LOCAL statement_timeout = ${ownMs}`;
        await client.query(
          `BEGIN ISOLATION LEVEL ${isolation} ${readOnly ? 'READ ONLY' : 'READ WRITE'}${limit}`,
        );
        let result: Awaited<ReturnType<typeof work>>;
        try {
          result = await work(on(client, ownMs === undefined ? undefined : ownMs + ANSWER_GRACE_MS));
        } catch (error) {
          // It would wait behind the statement that is not answered.
          if (isUnanswered(error)) throw error;
          const undone = await client.query('ROLLBACK').then(
            () => true,
            () => false,
          );
          throw undone ? new RolledBack(error) : error;
        }
        const { command } = await client.query('COMMIT');
        // The server answers COMMIT of a failed transaction with ROLLBACK, and no error.
        if (command !== 'COMMIT') {
          throw new RolledBack(
            new Error('the transaction was rolled back: one of its statements had failed'),
          );
        }
        return result;
      });
    },
    async rows(statement, params) {
      const result = await timed(statement, () =>
        named(pool.query<unknown[]>({ ...statement, values: params as unknown[], rowMode: 'array' })),
      );
      return result.rows;
    },
    stats: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close: () => pool.end(),
  };
}

/** Carries an error out of a transaction that was rolled back in order: its connection is whole. */
class RolledBack extends Error {
  constructor(cause: unknown) {
    super('rolled back', { cause });
  }
}
