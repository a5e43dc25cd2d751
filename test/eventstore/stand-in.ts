/**
 * A stand-in for one node of EventStoreDB: its wire protocol as far as the platform uses it, kept in memory.
 * A test double, for machines on which no such server runs; the product never starts it.
 */
import { append, batchAppend, deleteStream, serviceError } from './append-service.ts';
import { type Faults, noFaults } from './faults.ts';
import { read } from './read-service.ts';
import { RecordedLog } from './recorded-log.ts';
import {
  features,
  GossipService,
  type Grpc,
  gossip,
  grpc,
  ServerFeaturesService,
  type Streams,
  StreamsService,
} from './wire.ts';

/** Versions from here on send caught-up messages. */
const SERVER_VERSION = '23.10.6.0';
const LEADER_STATE = 8;
const MAX_MESSAGE_BYTES = 17 * 1024 * 1024;

export interface EventStoreStandIn {
  /** A connection string. */
  readonly url: string;
  readonly port: number;
  readonly log: RecordedLog;
  readonly faults: Faults;
  /** Cuts every connection; new ones are taken, unless it is kept away for so long. */
  restart(awayMs?: number): Promise<void>;
  /** Ends every live subscription as a server does that has nothing more to say. */
  endSubscriptions(): void;
  subscriptions(): number;
  /** How many events reads were answered with. */
  eventsRead(): number;
  close(): Promise<void>;
}

type Call = { readonly metadata: Grpc.Metadata; emit(event: 'error', error: Error): boolean };

export async function startEventStoreStandIn({ port = 0 } = {}): Promise<EventStoreStandIn> {
  const log = new RecordedLog();
  const faults = noFaults();
  const counts = { eventsRead: 0 };
  const subscriptions = new Set<Grpc.ServerWritableStream<Streams.ReadReq, Streams.ReadResp>>();
  /** False: it was refused, or sent to the leader. */
  const taken = (call: Call): boolean => {
    if (faults.refuse) {
      call.emit('error', serviceError(grpc.status.UNAVAILABLE, 'not now'));
      return false;
    }
    const needsLeader = call.metadata.get('requires-leader')[0] === 'true';
    if (faults.leaderAt === null || !needsLeader) return true;
    const trailers = {
      exception: 'not-leader',
      'leader-endpoint-host': '127.0.0.1',
      'leader-endpoint-port': String(faults.leaderAt),
    };
    call.emit('error', serviceError(grpc.status.NOT_FOUND, 'Leader info available', trailers));
    return false;
  };
  const services = (server: Grpc.Server) => {
    const streamCalls = {
      append: (call: never, answer: never) => {
        if (taken(call)) append(log, faults, call, answer);
      },
      batchAppend: (call: never) => {
        if (taken(call)) batchAppend(log, faults, call);
      },
      read: (call: never) => {
        if (taken(call)) read({ log, faults, subscriptions, counts }, call);
      },
      delete: (call: never, answer: never) => {
        if (taken(call)) deleteStream(log, call, answer);
      },
      tombstone: (_: never, answer: (error: Error) => void) =>
        answer(serviceError(grpc.status.UNIMPLEMENTED, 'not used by the platform')),
    };
    const featureCalls = {
      getSupportedMethods: (_: never, answer: (error: null, methods: object) => void) => {
        const methods = new features.SupportedMethods();
        methods.setEventStoreServerVersion(SERVER_VERSION);
        const batch = new features.SupportedMethod();
        batch.setServiceName('event_store.client.streams.streams');
        batch.setMethodName('batchappend');
        methods.setMethodsList([batch]);
        answer(null, methods);
      },
    };
    const gossipCalls = {
      /** A cluster of one, which leads. */
      read: (_: never, answer: (error: null, info: object) => void) => {
        const member = new gossip.MemberInfo();
        member.setState(LEADER_STATE);
        member.setIsAlive(true);
        member.setHttpEndPoint(new gossip.EndPoint().setAddress('127.0.0.1').setPort(bound));
        answer(null, new gossip.ClusterInfo().setMembersList([member]));
      },
    };
    // The generated services have no types of their own.
    server.addService(StreamsService, streamCalls as unknown as Grpc.UntypedServiceImplementation);
    server.addService(GossipService, gossipCalls as unknown as Grpc.UntypedServiceImplementation);
    server.addService(ServerFeaturesService, featureCalls as unknown as Grpc.UntypedServiceImplementation);
  };
  const listen = async (on: number): Promise<{ server: Grpc.Server; bound: number }> => {
    const server = new grpc.Server({
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    });
    services(server);
    const bound = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${on}`, grpc.ServerCredentials.createInsecure(), (error, got) =>
        error ? reject(error) : resolve(got),
      );
    });
    return { server, bound };
  };
  let { server, bound } = await listen(port);
  return {
    url: `esdb://127.0.0.1:${bound}?tls=false`,
    port: bound,
    log,
    faults,
    async restart(awayMs = 0) {
      server.forceShutdown();
      await new Promise((resolve) => setTimeout(resolve, awayMs));
      ({ server } = await listen(bound));
    },
    endSubscriptions() {
      for (const call of subscriptions) call.end();
    },
    subscriptions: () => subscriptions.size,
    eventsRead: () => counts.eventsRead,
    async close() {
      server.forceShutdown();
    },
  };
}
