/** Whether an answer is what the document says: the schema of its status and type takes it. */
import assert from 'node:assert/strict';
import { z } from 'zod';
import type { OpenApiDocument } from '../../api/openapi/document.ts';
import type { JsonSchema } from '../../schemas/json-schema.ts';
import { type Operation, resolve } from './openapi-operations.ts';

export type AnswerChecker = (
  operation: Operation,
  status: number,
  contentType: string,
  payload: string,
  what: string,
) => void;

export function answerChecker(document: OpenApiDocument): AnswerChecker {
  const compiled = new Map<string, z.ZodType>();
  return (operation, status, contentType, payload, what) => {
    const stated = operation.responses[String(status)];
    assert.ok(stated, `the document has no ${status} of ${operation.operationId}: ${what}`);
    if (stated.content === undefined) {
      assert.equal(payload, '', what);
      return;
    }
    const type = contentType.split(';')[0]!;
    const content = ((stated.content ?? {}) as Record<string, { schema: JsonSchema }>)[type];
    assert.ok(content, `the document has no ${type} of ${operation.operationId} ${status}: ${what}`);
    if (type !== 'application/json' || content.schema.type === 'string') return;
    const key = `${operation.operationId} ${status}`;
    let schema = compiled.get(key);
    if (!schema) {
      schema = z.fromJSONSchema(inlined(document, content.schema) as never) as z.ZodType;
      compiled.set(key, schema);
    }
    const result = schema.safeParse(JSON.parse(payload));
    assert.ok(result.success, `${what}\ndoes not fit its schema: ${result.error}`);
  };
}

/** Without references, which the reader of JSON Schema takes only within one schema. */
function inlined(document: OpenApiDocument, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((member) => inlined(document, member));
  if (value === null || typeof value !== 'object') return value;
  const schema = value as JsonSchema;
  if (typeof schema.$ref === 'string') return inlined(document, resolve(document, schema));
  return Object.fromEntries(Object.entries(schema).map(([k, v]) => [k, inlined(document, v)]));
}
