/**
 * The rules of OFREP 0.3.0 for answers, patched as they are meant: the published schema
 * (https://github.com/open-feature/protocol, service/openapi.yaml) says `oneOf` where its branches overlap,
 * which refuses every answer with a value; its reasons lack DEFAULT, which its own ADR 6 asks for; and its
 * list has no FLAG_NOT_FOUND, which its own example shows. Written anew here from that.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';

const text = { type: 'string' };
const failure = (...codes: string[]) => ({
  type: 'object',
  properties: { key: text, errorCode: { enum: codes }, errorDetails: text },
  required: ['key', 'errorCode'],
});
const codes = ['PARSE_ERROR', 'TARGETING_KEY_MISSING', 'INVALID_CONTEXT', 'GENERAL'];
const evaluation = {
  type: 'object',
  properties: {
    key: text,
    value: { anyOf: ['boolean', 'string', 'integer', 'number', 'object'].map((type) => ({ type })) },
    reason: { enum: ['STATIC', 'DEFAULT', 'TARGETING_MATCH', 'SPLIT', 'DISABLED', 'UNKNOWN'] },
    variant: text,
    metadata: {
      type: 'object',
      additionalProperties: { anyOf: ['boolean', 'string', 'number'].map((type) => ({ type })) },
    },
  },
  required: ['key', 'reason'],
  // Else a failure would pass for the default in the code.
  not: { required: ['errorCode'] },
};
const eventStream = {
  type: 'object',
  properties: {
    type: text,
    url: text,
    endpoint: { type: 'object', properties: { origin: text, requestUri: text }, required: ['requestUri'] },
    inactivityDelaySec: { type: 'integer', minimum: 1 },
  },
  required: ['type'],
  anyOf: [{ required: ['url'] }, { required: ['endpoint'] }],
};
const general = { type: 'object', properties: { errorDetails: text } };

const ajv = new Ajv2020({ strict: false });
const rules = {
  single: {
    200: ajv.compile(evaluation),
    400: ajv.compile(failure(...codes)),
    404: ajv.compile(failure('FLAG_NOT_FOUND')),
    500: ajv.compile(general),
  },
  bulk: {
    200: ajv.compile({
      type: 'object',
      properties: {
        flags: { type: 'array', items: { anyOf: [evaluation, failure(...codes, 'FLAG_NOT_FOUND')] } },
        metadata: evaluation.properties.metadata,
        eventStreams: { type: 'array', items: eventStream },
      },
      required: ['flags'],
    }),
    400: ajv.compile({
      type: 'object',
      properties: { errorCode: text, errorDetails: text },
      required: ['errorCode'],
    }),
    500: ajv.compile(general),
  },
} as const;

/** What of an answer is not as OFREP has it; null: nothing. Statuses that OFREP does not know are judged as 500. */
export function ofrepFault(endpoint: 'single' | 'bulk', status: number, payload: string): string | null {
  if ([304, 401, 403, 429].includes(status)) return payload === '' ? null : `${status} has a body`;
  const known: Readonly<Record<number, (typeof rules.bulk)[500]>> = rules[endpoint];
  const judge = known[status] ?? known[500]!;
  return judge(JSON.parse(payload)) ? null : ajv.errorsText(judge.errors);
}
