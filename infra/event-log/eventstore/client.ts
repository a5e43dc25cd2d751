/**
 * The client of EventStoreDB, behind one door. Of it we use what it does well: the connection string, TLS,
 * credentials, finding the leader of a cluster, reconnecting. The calls themselves are made here, on the
 * messages that it has generated: its batch append can stay pending for ever and rejects other clients'
 * appends, its append can reject where nobody listens, and its reads have no deadline and end without a
 * word when they are cancelled.
 */
import { createRequire } from 'node:module';
import type { EventStoreDBClient } from '@eventstore/db-client';
import type * as Shared from '@eventstore/db-client/generated/shared_pb.js';
import type * as StreamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type * as Streams from '@eventstore/db-client/generated/streams_pb.js';
import type { Metadata, ServiceError } from '@grpc/grpc-js';
import type { Secret } from '../../../schemas/secret.ts';
import { refuseDebugOutput } from '../../debug-output.ts';
import { connectionString, serversOf } from './connection-string.ts';

const require = createRequire(import.meta.url);

refuseDebugOutput('@eventstore/db-client', 'esdb');

export const streams = require('@eventstore/db-client/generated/streams_pb') as typeof Streams;
export const shared = require('@eventstore/db-client/generated/shared_pb') as typeof Shared;
const { StreamsClient } = require('@eventstore/db-client/generated/streams_grpc_pb') as typeof StreamsGrpc;

type Grpc = StreamsGrpc.StreamsClient;

/** What the client keeps to itself; the same in its last release and in the one before. */
interface Insides {
  getGRPCClient(of: typeof StreamsClient, name: string): Promise<Grpc>;
  handleError(client: Grpc, error: Error): Promise<void>;
  callArguments(
    base: { requiresLeader: boolean },
    call: { deadline: Date | number },
  ): [Metadata, { deadline: Date | number }];
}

export interface EventStoreConnection {
  /**
   * Runs a call; what fails is told to the client, which reconnects where that helps, and thrown without
   * anything secret. `deadlineMs`: until when the server may work on it; none for what goes on for ever.
   */
  call<R>(
    what: string,
    deadlineMs: number | null,
    make: (
      client: Grpc,
      metadata: Metadata,
      options: { deadline: Date | number },
      /** Told of the call, so that closing ends it. */
      running: (call: Running) => void,
    ) => Promise<R>,
  ): Promise<R>;
  /** Calls under way are rejected. */
  close(): void;
}

interface Running {
  cancel(): void;
}

/** The call failed. Its outcome, if it was a write, is unknown. */
export class EventStoreUnavailable extends Error {
  override readonly name = 'EventStoreUnavailable';
  /** Of gRPC; null where the server did not answer. */
  readonly code: number | null;
  /** `host:port`, or several; null: they are not known. */
  readonly server: string | null;
  constructor(message: string, code: number | null = null, server: string | null = null) {
    super(message);
    this.code = code;
    this.server = server;
  }
}

/** Throws for a connection string that is none. */
export function connectEventStore(url: Secret<string>): EventStoreConnection {
  const { EventStoreDBClient: Client } = require('@eventstore/db-client') as {
    EventStoreDBClient: typeof EventStoreDBClient;
  };
  const text = connectionString(url);
  const servers = serversOf(text);
  let client: EventStoreDBClient;
  try {
    client = Client.connectionString(text as unknown as TemplateStringsArray);
  } catch {
    // What it says quotes the string, password and all.
    throw new Error('EVENT_LOG_URL is no connection string that EventStoreDB understands.');
  }
  const insides = client as unknown as Insides;
  const running = new Set<Running>();
  let latest: Grpc | null = null;
  let closed = false;
  return {
    async call(what, deadlineMs, make) {
      const deadline = deadlineMs === null ? Number.POSITIVE_INFINITY : new Date(Date.now() + deadlineMs);
      let grpc: Grpc | undefined;
      let call: Running | undefined;
      try {
        if (closed) throw new Error('the log is closed');
        grpc = await insides.getGRPCClient(StreamsClient, what);
        if (closed) throw new Error('the log is closed');
        latest = grpc;
        const [metadata, options] = insides.callArguments({ requiresLeader: true }, { deadline });
        return await make(grpc, metadata, options, (made) => {
          call = made;
          running.add(made);
        });
      } catch (error) {
        if (grpc && !closed) await insides.handleError(grpc, error as Error).catch(() => {});
        throw told(closed ? `${what} of a log that is closed` : what, deadlineMs, error, servers);
      } finally {
        if (call) running.delete(call);
      }
    },
    close() {
      closed = true;
      for (const call of running) call.cancel();
      // The client's own `dispose` leaves the connection open.
      latest?.close();
    },
  };
}

function told(what: string, deadlineMs: number | null, error: unknown, servers: string | null): Error {
  const { code, details, message } = error as Partial<ServiceError>;
  const status = typeof code === 'number' ? code : null;
  const reason = reasonOf(status, details || message || '', deadlineMs);
  return new EventStoreUnavailable(`${what} failed: ${reason}`, status, servers);
}

const DEADLINE_EXCEEDED = 4;

/** What gRPC adds for its own developers, an address and how long each filter took, is left out. */
export function reasonOf(code: number | null, details: string, deadlineMs: number | null): string {
  if (code === DEADLINE_EXCEEDED) {
    return `EventStoreDB did not answer within ${deadlineMs === null ? 'its time' : `${deadlineMs} ms`}`;
  }
  const said = details
    .replace(/,?\s*metadata filters:.*$/s, '')
    .replace(/\.?\s*Resolution note:.*$/s, '')
    .trim();
  return `${code === null ? '' : `status ${code}: `}${said || 'no reason given'}`;
}
