/** An event's data as it lies in the log and in Kafka: what people wrote is sealed. */
import { SEALED } from '../../commands/event-types.ts';
import { PERSONAL, personalFieldsOf } from '../../schemas/events/event-schema.ts';
import type { JsonSchema } from '../../schemas/json-schema.ts';

export const sealedFieldSchema: JsonSchema = {
  type: 'object',
  description:
    'What a person wrote, encrypted under the data key of the person or tenant. Whoever has no key can still keep it, compare its commitment, and take note of an erasure (`subject.erased` names the keys that are gone).',
  properties: {
    key: { type: 'string', description: 'Id of the data key.' },
    nonce: { type: 'string', pattern: '^[A-Za-z0-9_-]{16}$', description: '12 bytes, base64url.' },
    ciphertext: {
      type: 'string',
      pattern: '^[A-Za-z0-9_-]{64,}$',
      description: 'AES-256-GCM of 32 random bytes and the value as JSON, then its 16-byte tag; base64url.',
    },
    commitment: {
      type: 'string',
      pattern: '^[A-Za-z0-9_-]{43}$',
      description: 'SHA-256 over a label, the name of the field, those 32 bytes and the JSON; base64url.',
    },
  },
  required: ['key', 'nonce', 'ciphertext', 'commitment'],
  additionalProperties: false,
};

/** @param sealed where the schema of a sealed field stands in the document */
export function logForm(schema: JsonSchema, sealed: string): JsonSchema {
  const personal = personalFieldsOf(schema);
  if (personal.length === 0) return schema;
  const properties = (schema.properties ?? {}) as Record<string, JsonSchema>;
  const required = (schema.required ?? []) as readonly string[];
  return {
    ...schema,
    properties: {
      ...Object.fromEntries(
        Object.entries(properties).map(([name, property]) => [
          name,
          personal.includes(name)
            ? { type: 'null', description: `Nothing was written here; otherwise it is in \`${SEALED}\`.` }
            : property,
        ]),
      ),
      [SEALED]: {
        type: 'object',
        description: 'The fields that people wrote, by name; absent where nothing was written.',
        properties: Object.fromEntries(
          personal.map((name) => [name, sealedProperty(properties[name]!, sealed)]),
        ),
        minProperties: 1,
        additionalProperties: false,
      },
    },
    required: required.filter((name) => !personal.includes(name)),
  };
}

function sealedProperty({ [PERSONAL]: mark, ...plaintext }: JsonSchema, sealed: string): JsonSchema {
  const { subject } = mark as { subject: string | null };
  const whose =
    subject === null
      ? 'under a data key of the tenant'
      : `under a data key of the person that \`${subject}\` names, or of the tenant where it is null`;
  return {
    description: `Encrypted ${whose}.`,
    allOf: [{ $ref: sealed }],
    /** What the ciphertext holds. */
    'x-plaintext': plaintext,
  };
}
