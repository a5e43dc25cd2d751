/** A TCP proxy that does to connections what networks do: it cuts them, lets them hang, slows them down. */

import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Cleanup } from './postgres.ts';

export interface FaultProxy {
  readonly port: number;
  /** Bytes of both directions come through, at once. */
  heal(): void;
  /** Connections stay open and nothing comes through; new ones are taken and hang as well. */
  hang(): void;
  /** Every chunk of both directions is held back for so long. */
  slow(ms: number): void;
  /** Ends every connection with a reset, and refuses new ones until it is healed. */
  cut(): void;
  /** Ends every connection with a reset; new ones come through. */
  reset(): void;
  connections(): number;
  close(): Promise<void>;
}

/** A socket that nobody reads may fill up to this and then holds its sender back. */
const HELD_BYTES = 1024 * 1024;

type Fault = { readonly kind: 'none' | 'hang' | 'cut' } | { readonly kind: 'slow'; readonly ms: number };

export async function startFaultProxy(
  t: Cleanup,
  target: { readonly host?: string; readonly port: number },
  listenPort = 0,
): Promise<FaultProxy> {
  let fault: Fault = { kind: 'none' };
  const pairs = new Set<Pair>();
  const server: Server = createServer({ allowHalfOpen: true }, (client) => {
    if (fault.kind === 'cut') {
      client.resetAndDestroy();
      return;
    }
    const pair = new Pair(
      client,
      connect({ host: target.host ?? '127.0.0.1', port: target.port }),
      () => fault,
    );
    pairs.add(pair);
    pair.ended.then(() => pairs.delete(pair));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listenPort, '127.0.0.1', resolve);
  });
  const become = (next: Fault): void => {
    fault = next;
    for (const pair of pairs) pair.flow();
  };
  const reset = (): void => {
    for (const pair of pairs) pair.reset();
  };
  const proxy: FaultProxy = {
    port: (server.address() as AddressInfo).port,
    heal: () => become({ kind: 'none' }),
    hang: () => become({ kind: 'hang' }),
    slow: (ms) => become({ kind: 'slow', ms }),
    cut() {
      become({ kind: 'cut' });
      reset();
    },
    reset,
    connections: () => pairs.size,
    async close() {
      reset();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  t.after(() => proxy.close());
  return proxy;
}

/** One connection: two sockets, each feeding the other. */
class Pair {
  readonly ended: Promise<void>;
  readonly #ways: readonly [Way, Way];
  readonly #sockets: readonly [Socket, Socket];

  constructor(client: Socket, upstream: Socket, fault: () => Fault) {
    this.#sockets = [client, upstream];
    this.#ways = [new Way(client, upstream, fault), new Way(upstream, client, fault)];
    this.ended = new Promise((resolve) => {
      let open = 2;
      for (const socket of this.#sockets) {
        socket.setNoDelay(true);
        // The end of one is the end of the other.
        socket.on('error', () => this.reset());
        socket.once('close', () => {
          open -= 1;
          if (open === 0) resolve();
          else if (socket.errored || socket.destroyed) this.reset();
        });
      }
    });
  }

  flow(): void {
    for (const way of this.#ways) way.flow();
  }

  reset(): void {
    for (const socket of this.#sockets) {
      // Node cannot reset what it is ending: the handle would stay, and the process spin at its end.
      if (socket.writableEnded) socket.destroy();
      else if (!socket.destroyed) socket.resetAndDestroy();
    }
  }
}

/** One direction. Chunks wait in order; `null` is the sender's end. */
class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #fault: () => Fault;
  #waiting: { readonly chunk: Buffer | null; readonly atMs: number }[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(from: Socket, to: Socket, fault: () => Fault) {
    this.#from = from;
    this.#to = to;
    this.#fault = fault;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.on('end', () => this.#take(null));
    to.on('drain', () => this.flow());
  }

  #take(chunk: Buffer | null): void {
    this.#waiting.push({ chunk, atMs: performance.now() });
    this.#waitingBytes += chunk?.length ?? 0;
    if (this.#waitingBytes > HELD_BYTES) this.#from.pause();
    this.flow();
  }

  flow(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const fault = this.#fault();
    if (fault.kind === 'hang' || fault.kind === 'cut') return;
    const delayMs = fault.kind === 'slow' ? fault.ms : 0;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const restMs = next.atMs + delayMs - performance.now();
      if (restMs > 0) {
        this.#timer = setTimeout(() => this.flow(), restMs);
        return;
      }
      this.#waiting.shift();
      if (next.chunk === null) {
        this.#to.end();
        continue;
      }
      this.#waitingBytes -= next.chunk.length;
      if (!this.#to.destroyed && !this.#to.write(next.chunk)) break;
    }
    if (this.#waitingBytes <= HELD_BYTES) this.#from.resume();
  }
}
