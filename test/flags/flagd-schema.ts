/**
 * What flagd's JSON Schema asks of a flag set, written anew: https://flagd.dev/schema/v0/flags.json and
 * https://flagd.dev/schema/v0/targeting.json, which no package ships.
 */
import { Ajv } from 'ajv';

const rule = { $ref: '#/definitions/rule' };
const argument = { anyOf: [{ type: ['null', 'boolean', 'number', 'string', 'array'] }, rule] };
const args = (minItems: number, maxItems?: number) => ({
  type: 'array',
  items: argument,
  minItems,
  ...(maxItems !== undefined && { maxItems }),
});
const each = (operators: string, schema: object) =>
  Object.fromEntries(operators.split(' ').map((operator) => [operator, schema]));
const text = { anyOf: [{ type: 'string' }, rule] };
const version = {
  anyOf: [
    {
      type: 'string',
      pattern:
        '^(0|[1-9]\\d*)\\.(0|[1-9]\\d*)\\.(0|[1-9]\\d*)(-[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)*)?(\\+[0-9A-Za-z.-]+)?$',
    },
    { type: 'object', properties: { var: {} }, additionalProperties: false, required: ['var'] },
  ],
};
/** Its weight may be computed. */
const bucket = {
  type: 'array',
  items: [argument, { anyOf: [{ type: 'integer', minimum: 0 }, rule] }],
  minItems: 1,
  maxItems: 2,
};
const injected = '^\\$flagd\\.';

const operators = {
  var: {
    anyOf: [
      { type: 'string', pattern: '^\\$flagd\\.(timestamp|flagKey)$' },
      { type: 'string', not: { pattern: injected } },
      { type: 'array', items: [{ type: 'string' }], minItems: 1 },
    ],
  },
  $ref: { type: 'string' },
  missing: { type: 'array', items: { type: 'string' } },
  missing_some: { type: 'array', minItems: 2, maxItems: 2 },
  ...each('if and or + - max min merge cat', args(1)),
  ...each('substr < <=', args(2, 3)),
  ...each('== === != !== > >= % / map filter all none some in', args(2, 2)),
  reduce: args(3, 3),
  '*': args(2),
  ...each('! !!', { anyOf: [args(1, 1), argument] }),
  ...each('starts_with ends_with', { type: 'array', items: text, minItems: 2, maxItems: 2 }),
  sem_ver: {
    type: 'array',
    items: [version, { enum: ['=', '!=', '>', '<', '>=', '<=', '~', '^'] }, version],
    minItems: 3,
    maxItems: 3,
  },
  fractional: {
    anyOf: [
      { type: 'array', items: [rule, bucket], additionalItems: bucket, minItems: 2 },
      { type: 'array', items: bucket, minItems: 1 },
    ],
  },
};

const metadata = { type: 'object', additionalProperties: { type: ['string', 'number', 'boolean'] } };
const safe = { minimum: -Number.MAX_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
const variantsOf = (value: object) => ({
  properties: {
    variants: {
      type: 'object',
      additionalProperties: value,
      propertyNames: { minLength: 1 },
      minProperties: 1,
    },
  },
});
const targeting = { anyOf: [{ type: 'object', maxProperties: 0 }, rule] };

const schema = {
  type: 'object',
  required: ['flags'],
  properties: {
    flags: {
      type: 'object',
      propertyNames: { minLength: 1 },
      additionalProperties: { $ref: '#/definitions/flag' },
    },
    $evaluators: { type: 'object', propertyNames: { minLength: 1 }, additionalProperties: targeting },
    metadata,
  },
  definitions: {
    flag: {
      type: 'object',
      required: ['state', 'variants'],
      properties: {
        state: { enum: ['ENABLED', 'DISABLED'] },
        defaultVariant: { type: ['string', 'null'] },
        targeting,
        metadata,
      },
      anyOf: [
        variantsOf({ type: 'boolean' }),
        variantsOf({ type: 'string' }),
        variantsOf({ type: 'number', ...safe }),
        variantsOf({ type: 'object' }),
      ],
    },
    rule: {
      type: 'object',
      minProperties: 1,
      maxProperties: 1,
      additionalProperties: false,
      properties: operators,
    },
  },
};

const validate = new Ajv({ strict: false, allErrors: false }).compile(schema);

/** What is wrong with a flag set by the schema; null: nothing. */
export function schemaFault(flagSet: unknown): string | null {
  if (validate(flagSet)) return null;
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`).join('; ');
}
