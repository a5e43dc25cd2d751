/**
 * A load generator over raw keep-alive sockets: Node's own client costs more than the servers measured,
 * and would be what is measured. Loopback only, bounded in count and time.
 */
import { connect, type Socket } from 'node:net';

export interface Target {
  readonly host: '127.0.0.1';
  readonly port: number;
}

/** One request as bytes; `next` is asked for each, so that keys can be drawn. */
export type NextRequest = () => Buffer;

export function requestBytes(
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  method = 'POST',
): Buffer {
  const lines = Object.entries({
    host: 'bench',
    ...(body === '' ? {} : { 'content-type': 'application/json' }),
    ...headers,
    ...(body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
  });
  return Buffer.from(
    `${method} ${path} HTTP/1.1\r\n${lines.map(([k, v]) => `${k}: ${v}`).join('\r\n')}\r\n\r\n${body}`,
  );
}

/** What a good answer has; left out: any of 2xx. */
export type GoodStatus = 304;

export interface LoadResult {
  readonly requests: number;
  readonly perSecond: number;
  /** Milliseconds, one a request. */
  readonly latencies: readonly number[];
  readonly notOk: number;
}

/** Closed loop: each connection sends its next request when the last one is answered. */
export async function saturate(
  target: Target,
  options: { connections: number; ms: number; next: NextRequest; good?: GoodStatus },
): Promise<LoadResult> {
  const latencies: number[] = [];
  let notOk = 0;
  const until = performance.now() + options.ms;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: options.connections }, async () => {
      const connection = await Connection.open(target);
      while (performance.now() < until) {
        const sent = performance.now();
        if (!(await connection.send(options.next(), options.good))) notOk += 1;
        latencies.push(performance.now() - sent);
      }
      connection.close();
    }),
  );
  return {
    requests: latencies.length,
    perSecond: (latencies.length * 1000) / (performance.now() - started),
    latencies,
    notOk,
  };
}

/** Open model: arrivals at a constant rate, whatever the answers do; latency counts from the due time. */
export async function arrive(
  target: Target,
  options: { connections: number; ms: number; perSecond: number; next: NextRequest },
): Promise<LoadResult> {
  const connections = await Promise.all(
    Array.from({ length: options.connections }, () => Connection.open(target)),
  );
  const idle = [...connections];
  const waiting: number[] = [];
  const latencies: number[] = [];
  let notOk = 0;
  let inFlight = 0;
  const total = Math.floor((options.perSecond * options.ms) / 1000);
  const started = performance.now();
  let due = 0;

  const dispatch = () => {
    while (idle.length > 0 && waiting.length > 0) {
      const connection = idle.pop()!;
      const dueAt = waiting.shift()!;
      inFlight += 1;
      void connection.send(options.next()).then((ok) => {
        if (!ok) notOk += 1;
        latencies.push(performance.now() - dueAt);
        inFlight -= 1;
        idle.push(connection);
        dispatch();
      });
    }
  };
  while (due < total || waiting.length > 0 || inFlight > 0) {
    const now = performance.now();
    while (due < total && started + (due * 1000) / options.perSecond <= now) {
      waiting.push(started + (due * 1000) / options.perSecond);
      due += 1;
    }
    dispatch();
    // Not in a busy loop: it would take the processor that the server and its database need.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  for (const connection of connections) connection.close();
  return {
    requests: latencies.length,
    perSecond: (latencies.length * 1000) / (performance.now() - started),
    latencies,
    notOk,
  };
}

/** Connections as many as are needed at once, each used again: for requests whose answers matter. */
export function connectionPool(target: Target) {
  const idle: Connection[] = [];
  const all: Connection[] = [];
  return {
    async exchange(request: Buffer): Promise<HttpAnswer> {
      let connection = idle.pop();
      if (!connection) {
        connection = await Connection.open(target);
        all.push(connection);
      }
      const answer = await connection.exchange(request);
      idle.push(connection);
      return answer;
    },
    close() {
      for (const connection of all) connection.close();
    },
  };
}

export interface HttpAnswer {
  readonly status: number;
  /** Status line and header fields. */
  readonly head: string;
  readonly body: Buffer;
}

/** Null: there is no such field. */
export function headerOf({ head }: HttpAnswer, name: string): string | null {
  return new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]?.trim() ?? null;
}

const HEADER_END = Buffer.from('\r\n\r\n');

class Connection {
  readonly #socket: Socket;
  #buffered: Buffer = Buffer.alloc(0);
  #answered: ((answer: HttpAnswer) => void) | null = null;
  #failed: ((error: Error) => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => this.#failed?.(error));
    socket.on('close', () => this.#failed?.(new Error('the server closed a connection under load')));
  }

  static open(target: Target): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect(target.port, target.host, () => resolve(new Connection(socket)));
      socket.once('error', reject);
    });
  }

  /** Resolves to whether the status was good. */
  async send(request: Buffer, good?: GoodStatus): Promise<boolean> {
    const { head, status } = await this.exchange(request);
    return good === undefined ? head.charCodeAt(9) === 50 : status === good;
  }

  exchange(request: Buffer): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      this.#answered = resolve;
      this.#failed = reject;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#failed = null;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    const end = this.#buffered.indexOf(HEADER_END);
    if (end < 0) return;
    const head = this.#buffered.toString('latin1', 0, end);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#buffered.length < end + 4 + length) return;
    const body = this.#buffered.subarray(end + 4, end + 4 + length);
    this.#buffered = this.#buffered.subarray(end + 4 + length);
    this.#answered?.({ status: Number(head.slice(9, 12)), head, body });
  }
}
