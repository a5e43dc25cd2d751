/** The messages of EventStoreDB's protocol, as its own client has them generated. */
import { createRequire } from 'node:module';
import type * as Gossip from '@eventstore/db-client/generated/gossip_pb.js';
import type * as Features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import type * as Shared from '@eventstore/db-client/generated/shared_pb.js';
import type * as Streams from '@eventstore/db-client/generated/streams_pb.js';
import type * as Grpc from '@grpc/grpc-js';

const require = createRequire(import.meta.url);

export const grpc = require('@grpc/grpc-js') as typeof Grpc;
export const streams = require('@eventstore/db-client/generated/streams_pb') as typeof Streams;
export const shared = require('@eventstore/db-client/generated/shared_pb') as typeof Shared;
export const features = require('@eventstore/db-client/generated/serverfeatures_pb') as typeof Features;
export const gossip = require('@eventstore/db-client/generated/gossip_pb') as typeof Gossip;
export const status = require('@eventstore/db-client/generated/status_pb');
export const { Any } = require('google-protobuf/google/protobuf/any_pb');
export const { Empty: GoogleEmpty } = require('google-protobuf/google/protobuf/empty_pb');
export const { StreamsService } = require('@eventstore/db-client/generated/streams_grpc_pb');
export const { ServerFeaturesService } = require('@eventstore/db-client/generated/serverfeatures_grpc_pb');
export const { GossipService } = require('@eventstore/db-client/generated/gossip_grpc_pb');

export type { Features, Grpc, Shared, Streams };
