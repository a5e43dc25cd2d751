/** The AsyncAPI 3.0 document: every topic that the relay fills, and every message in them. */
import { settingSpecs } from '../../schemas/config.ts';
import { domainEvents } from '../../schemas/events/catalogue.ts';
import type { JsonSchema } from '../../schemas/json-schema.ts';
import { positionTopicName, topicDomains, topicName } from '../../schemas/topics.ts';
import { WATERMARK_TYPE } from '../kafka/cloud-event.ts';
import { MAX_MESSAGE_BYTES, RETENTION_MS } from '../kafka/topics-admin.ts';
import { MARKER_MESSAGE, messagesOf, RECORD_MESSAGE, schemasOf } from './messages.ts';

export interface AsyncApiDocument {
  readonly asyncapi: '3.0.0';
  readonly channels: Readonly<Record<string, JsonSchema>>;
  readonly operations: Readonly<Record<string, JsonSchema>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly messages: Readonly<Record<string, JsonSchema>>;
  };
  readonly [member: string]: unknown;
}

/** Written on whatever stream is parked, so they may be in any topic. */
const ANYWHERE = Object.keys(domainEvents.projections!);
const RELAY = 'relay';

export function asyncApiDocument(version: string): AsyncApiDocument {
  const domains = Object.keys(topicDomains);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Plinth',
      version,
      description: INTRODUCTION,
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      kafka: {
        host: '{brokers}',
        protocol: 'kafka',
        description: 'The Kafka of `KAFKA_BROKERS`.',
        variables: { brokers: { default: 'localhost:9092', description: 'host:port of a broker.' } },
      },
    },
    channels: {
      ...Object.fromEntries(domains.map((domain) => [domain, domainChannel(domain)])),
      [RELAY]: positionChannel,
    },
    operations: {
      ...Object.fromEntries(
        domains.map((domain) => [
          `relay-${domain}`,
          {
            action: 'send',
            channel: { $ref: `#/channels/${domain}` },
            summary: `Carries the events of ${domain} from the log to Kafka, in one transaction a batch.`,
          },
        ]),
      ),
      'keep-position': {
        action: 'send',
        channel: { $ref: `#/channels/${RELAY}` },
        summary: 'Keeps where the relay stands.',
        'x-internal': true,
      },
    },
    components: { schemas: schemasOf(), messages: messagesOf() },
  };
}

function domainChannel(domain: string): JsonSchema {
  const types = [...Object.keys(domainEvents[domain] ?? {}), ...ANYWHERE, WATERMARK_TYPE];
  const categories = topicDomains[domain]!.map((category) => `\`${category}-…\``).join(', ');
  return {
    address: topicName('{prefix}', domain, 1).replace(/1$/, '{generation}'),
    title: `Events of ${domain}`,
    description: `Streams ${categories}. Key = stream, so the events of one stream are in one partition and in order.`,
    parameters: {
      prefix,
      generation: {
        description:
          'From 1. A generation has its number of partitions for good; the next one begins where it ends.',
        default: '1',
      },
    },
    messages: messageRefs(types),
    bindings: {
      kafka: {
        partitions: Number(settingSpecs.kafkaPartitions.fallback),
        replicas: Number(settingSpecs.kafkaReplicas.fallback),
        topicConfiguration: {
          'cleanup.policy': ['delete'],
          'retention.ms': RETENTION_MS,
          'max.message.bytes': MAX_MESSAGE_BYTES,
        },
        bindingVersion: '0.5.0',
      },
    },
  };
}

const prefix = {
  default: settingSpecs.kafkaTopicPrefix.fallback,
  description: '`KAFKA_TOPIC_PREFIX`.',
};

const positionChannel: JsonSchema = {
  address: positionTopicName('{prefix}'),
  title: 'Position of the relay',
  description: 'For the relay alone: its form may change at any time.',
  parameters: { prefix },
  messages: messageRefs([RECORD_MESSAGE, MARKER_MESSAGE]),
  bindings: {
    kafka: {
      partitions: 1,
      replicas: Number(settingSpecs.kafkaReplicas.fallback),
      topicConfiguration: { 'cleanup.policy': ['compact'], 'max.message.bytes': MAX_MESSAGE_BYTES },
      bindingVersion: '0.5.0',
    },
  },
  'x-internal': true,
};

function messageRefs(names: readonly string[]): JsonSchema {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }]));
}

const INTRODUCTION = `Everything that happens on the platform, as the relay writes it to Kafka.

**Read committed transactions only** (\`isolation.level=read_committed\`): a batch is one transaction, and one that was aborted never happened.

**Form.** CloudEvents 1.0 in binary mode: attributes are headers, the value is the data. Partitions and replicas here are the defaults of \`KAFKA_PARTITIONS\` and \`KAFKA_REPLICAS\`.

**Order.** The events of a stream are in one partition and in order, \`ce_streamversion\` counts them. There is no order between streams but \`ce_position\`.

**Gaps.** Every record names the position of its predecessor in its partition. A consumer that keeps the last position it has handled notices whatever is missing: a topic that was trimmed, emptied or made anew. Applying an event twice is avoided by the same position.

**What people wrote** (names, reasons, metadata) is encrypted: such fields lie in \`$personal\`, sealed. Nothing in the clear names a person.

**Versions.** \`ce_schemaversion\` is that of the data. Within a version nothing changes that a reader of it could stumble over; a new one is another number. A type of event that you do not know is not for you.`;
