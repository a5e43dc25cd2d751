/**
 * Answers that go on: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 * A stream is past the handler's timeout, its reader is never buffered for without end, and closing ends all
 * of them at once.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../commands/clock.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { EventConnection } from '../event-connection.ts';
import type { Answer } from '../route.ts';

/** A reader that is this far behind is cut. The kernel has taken as much as it would before one byte waits here. */
export const MAX_BUFFERED_BYTES = 64 * 1024;
/** What an ended stream still holds must have been read then. */
const END_GRACE_MS = 2_000;

export const EVENT_STREAM = 'text/event-stream';
const HEADERS = {
  'content-type': EVENT_STREAM,
  // Compression would hold back what was written.
  'cache-control': 'no-store, no-transform',
  // Nginx and those that follow it collect an answer otherwise.
  'x-accel-buffering': 'no',
};

declare module 'fastify' {
  interface FastifyRequest {
    /** Its answer goes on: it was told of when it began. */
    streaming: boolean;
  }
}

export interface EventStreams {
  /** Throws what `answer.stream` throws before it has sent anything, and `shutting_down`. */
  open(request: FastifyRequest, reply: FastifyReply, answer: Answer): Promise<FastifyReply>;
}

/** `began`: told when status and headers of a stream are on their way. */
export function eventStreams(
  app: FastifyInstance,
  clock: Clock,
  began: (request: FastifyRequest, reply: FastifyReply) => void,
): EventStreams {
  const connections = new Set<Connection>();
  let closing = false;
  app.decorateRequest('streaming', false);
  app.addHook('preClose', (done) => {
    closing = true;
    for (const connection of connections) connection.end();
    done();
  });
  return {
    async open(request, reply, answer) {
      if (closing) throw new PlinthError('shutting_down', 'This process is stopping.');
      if (request.method === 'HEAD') return reply.headers(HEADERS).send();
      const connection = new Connection(request, reply, clock, began);
      connections.add(connection);
      connection.signal.addEventListener('abort', () => connections.delete(connection), { once: true });
      try {
        await answer.stream!(connection);
      } catch (error) {
        connection.fail(error);
      }
      connection.begin();
      return reply;
    },
  };
}

class Connection implements EventConnection {
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #clock: Clock;
  readonly #began: (request: FastifyRequest, reply: FastifyReply) => void;
  readonly #ended = new AbortController();

  constructor(
    request: FastifyRequest,
    reply: FastifyReply,
    clock: Clock,
    began: (request: FastifyRequest, reply: FastifyReply) => void,
  ) {
    this.#request = request;
    this.#reply = reply;
    this.#clock = clock;
    this.#began = began;
    reply.raw.once('close', () => this.#ended.abort());
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Sends status and headers, once. */
  begin(): void {
    const { raw } = this.#reply;
    if (raw.headersSent || raw.destroyed) return;
    this.#request.streaming = true;
    this.#reply.headers(HEADERS).hijack();
    raw.writeHead(200, this.#reply.getHeaders() as Record<string, string>);
    raw.flushHeaders();
    this.#began(this.#request, this.#reply);
    if (this.signal.aborted) raw.end();
  }

  send(text: string): boolean {
    if (this.signal.aborted) return false;
    this.begin();
    const { raw } = this.#reply;
    // A frame goes out whole or not at all, whatever its size, where nothing waits.
    if (raw.writableLength > 0 && raw.writableLength + text.length > MAX_BUFFERED_BYTES) {
      this.#cut();
      return false;
    }
    raw.write(text);
    return true;
  }

  end(): void {
    if (this.signal.aborted) return;
    this.#ended.abort();
    const { raw } = this.#reply;
    // One that has not begun is ended as soon as it does.
    if (!raw.headersSent) return;
    raw.end();
    const finished = new AbortController();
    raw.once('close', () => finished.abort());
    raw.once('finish', () => finished.abort());
    void this.#clock.sleep(END_GRACE_MS, finished.signal).then(() => {
      if (!raw.writableFinished) raw.destroy();
    });
  }

  /** Rethrows as long as it can be answered. */
  fail(error: unknown): void {
    if (!this.#reply.raw.headersSent) {
      this.#ended.abort();
      throw error;
    }
    this.#request.log.error({ err: error, reqId: this.#request.id }, 'event stream failed');
    this.#cut();
  }

  #cut(): void {
    this.#ended.abort();
    this.#reply.raw.destroy();
  }
}
