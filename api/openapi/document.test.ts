import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorCatalogue } from '../../schemas/errors.ts';
import type { JsonSchema } from '../../schemas/json-schema.ts';
import { permissions } from '../../schemas/permissions.ts';
import { operationsOf, resolve } from '../../test/support/openapi-operations.ts';
import { allRoutes } from '../routes/all-routes.ts';
import { COMMITTED, currentDocument, documentText } from './current-document.ts';

const document = currentDocument();

test('the committed document is the one that the routes make', () => {
  // Write it anew with: npx node api/openapi/current-document.ts
  assert.equal(readFileSync(COMMITTED, 'utf8'), documentText());
});

test('every reference in the document leads somewhere', () => {
  let followed = 0;
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const member of value) walk(member);
    else if (value !== null && typeof value === 'object') {
      const schema = value as JsonSchema;
      if (typeof schema.$ref === 'string') {
        resolve(document, schema);
        followed++;
      }
      for (const member of Object.values(schema)) walk(member);
    }
  };
  walk(document);
  assert.ok(followed > 100);
});

test('every operation has a name of its own, a permission that exists or a stated reason for none, and problems', () => {
  const operations = operationsOf(document);
  assert.equal(new Set(operations.map((o) => o.operationId)).size, operations.length);
  for (const operation of operations) {
    const { permission } = operation;
    if (permission !== null) assert.ok((permissions as readonly string[]).includes(permission), permission);
    assert.ok(operation.responses['400'], operation.operationId);
    assert.equal(operation.isPublic, operation.responses['401'] === undefined, operation.operationId);
  }
});

test('every example is what its schema takes', () => {
  let checked = 0;
  for (const route of allRoutes) {
    if (route.body && route.bodyExample !== undefined) {
      const { error } = route.body.safeParse(route.bodyExample);
      assert.ok(!error, `${route.operationId}: ${error}`);
      checked++;
    }
    for (const response of Object.values(route.responses)) {
      for (const [schema, example] of [
        [response.schema, response.example],
        [response.alternative, response.alternativeExample],
      ] as const) {
        if (!schema) continue;
        assert.notEqual(example, undefined, `${route.operationId} has no example of its answer`);
        const { error } = schema.safeParse(example);
        assert.ok(!error, `${route.operationId}: ${error}`);
        checked++;
      }
    }
  }
  assert.ok(checked > 40);
});

test('every code that a route names is in the catalogue with its status', () => {
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const operation of Object.values(methods)) {
      for (const [status, response] of Object.entries(operation.responses as Record<string, JsonSchema>)) {
        const problem = (resolve(document, response).content as Record<string, JsonSchema> | undefined)?.[
          'application/problem+json'
        ];
        if (!problem) continue;
        for (const code of Object.keys(problem.examples as object)) {
          const entry = errorCatalogue[code as keyof typeof errorCatalogue];
          assert.equal(entry?.status, Number(status), `${path}: ${code}`);
        }
      }
    }
  }
});

test('every path that two routes could match is matched by the fixed one', () => {
  const paths = [...new Set(allRoutes.map((route) => route.path))];
  for (const fixed of paths) {
    for (const pattern of paths.filter((p) => p !== fixed && p.includes('{'))) {
      const matcher = new RegExp(`^${pattern.replace(/\{\w+\}/g, '[^/]+')}$`);
      if (!matcher.test(fixed)) continue;
      // `{id}` takes only ids: the fixed word must not be one.
      const parameter = allRoutes.find((route) => route.path === pattern)!.params!;
      const word = fixed.split('/').find((step, i) => step !== pattern.split('/')[i])!;
      const name = /\{(\w+)\}/.exec(pattern)![1]!;
      assert.ok(!parameter.safeParse({ [name]: word }).success, `${fixed} is also a ${pattern}`);
    }
  }
});
