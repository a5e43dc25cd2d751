/** One route as an OpenAPI operation. */
import { STATUS_CODES } from 'node:http';
import type { z } from 'zod';
import { type ErrorCode, errorCatalogue } from '../../schemas/errors.ts';
import { inlineSchema, type JsonSchema } from '../../schemas/json-schema.ts';
import { MAX_BODY_BYTES } from '../plugins/json-body.ts';
import { speaksOfrep } from '../plugins/ofrep-error.ts';
import { PROBLEM_TYPE, problemOf } from '../plugins/problem.ts';
import type { Access, ResponseSpec, Route } from '../route.ts';
import { type NamedSchemas, nameOf } from './named-schemas.ts';
import { problemCodesOf } from './problems.ts';

/** `shared` is added to: responses of the document that several operations refer to, by name. */
export function operationOf(
  route: Route<never>,
  named: NamedSchemas,
  shared: Map<string, JsonSchema>,
): JsonSchema {
  const parameters = [
    ...parametersOf('path', route.params),
    ...parametersOf('query', route.query),
    { $ref: '#/components/parameters/RequestId' },
    ...(route.idempotent ? [{ $ref: '#/components/parameters/IdempotencyKey' }] : []),
    ...(route.conditional ? [{ $ref: '#/components/parameters/IfMatch' }] : []),
    ...(route.readsYourWrites ? [{ $ref: '#/components/parameters/AtLeast' }] : []),
  ];
  const isPublic = 'public' in route.access;
  return {
    operationId: route.operationId,
    summary: route.summary,
    description: describe(route),
    tags: [route.tag],
    ...(isPublic ? { 'x-public': true } : {}),
    ...(route.seconds === undefined ? {} : { 'x-expected-seconds': route.seconds }),
    ...('permission' in route.access ? { 'x-permission': route.access.permission } : {}),
    security: securityOf(route.access),
    parameters,
    ...(route.body ? { requestBody: requestBody(route, named) } : {}),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.responses).map(([status, spec]) => [status, response(spec, route, named)]),
      ),
      ...(speaksOfrep(route.path) ? {} : problemResponses(problemCodesOf(route), shared)),
    },
  };
}

function describe(route: Route<never>): string {
  if ('permission' in route.access)
    return `${route.description}\n\nPermission: \`${route.access.permission}\`.`;
  if ('public' in route.access) return `${route.description}\n\nPublic: needs no credential.`;
  if ('flagsKeys' in route.access)
    return `${route.description}\n\nA key of use ${route.access.flagsKeys.map((use) => `\`${use}\``).join(' or ')} may ask.`;
  if ('streamToken' in route.access) return route.description;
  return `${route.description}\n\nAny management key may ask.`;
}

function securityOf(access: Access): readonly JsonSchema[] {
  if ('public' in access) return [];
  if ('streamToken' in access) return [{ streamToken: [] }];
  return 'flagsKeys' in access ? [{ flagsKey: [] }, { flagsApiKey: [] }] : [{ managementKey: [] }];
}

function parametersOf(where: 'path' | 'query', schema: z.ZodType | undefined): JsonSchema[] {
  if (!schema) return [];
  const json = inlineSchema(schema, 'input');
  const required = new Set((json.required ?? []) as string[]);
  return Object.entries((json.properties ?? {}) as Record<string, JsonSchema>).map(([name, property]) => {
    const { description, ...rest } = property;
    return {
      name,
      in: where,
      required: where === 'path' || required.has(name),
      ...(description === undefined ? {} : { description }),
      schema: rest,
    };
  });
}

function requestBody(route: Route<never>, named: NamedSchemas): JsonSchema {
  const schema = route.body!;
  return {
    // A body whose fields may all be left out may be left out itself.
    required: !schema.safeParse({}).success,
    description: `At most ${(route.maxBodyBytes ?? MAX_BODY_BYTES) / 1024} KiB.`,
    content: {
      'application/json': {
        schema: { $ref: `#/components/schemas/${nameOf(named.inputs, schema)}` },
        ...(route.bodyExample === undefined ? {} : { example: route.bodyExample }),
      },
    },
  };
}

function response(spec: ResponseSpec, route: Route<never>, named: NamedSchemas): JsonSchema {
  const headers: JsonSchema = { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } };
  if (route.idempotent || route.readsYourWrites) {
    headers['Plinth-Position'] = { $ref: '#/components/headers/Position' };
  }
  if (route.idempotent) headers['Idempotency-Replayed'] = { $ref: '#/components/headers/Replayed' };
  const content: JsonSchema = {};
  if (spec.schema) {
    const ref = (schema: z.ZodType) => ({ $ref: `#/components/schemas/${nameOf(named.outputs, schema)}` });
    content['application/json'] = spec.alternative
      ? {
          schema: { oneOf: [ref(spec.schema), ref(spec.alternative)] },
          examples: { usual: { value: spec.example }, alternative: { value: spec.alternativeExample } },
        }
      : {
          schema: ref(spec.schema),
          ...(spec.example === undefined ? {} : { example: spec.example }),
        };
  }
  if (spec.contentType) content[spec.contentType] = { schema: { type: 'string' } };
  return {
    description: spec.description,
    headers,
    ...(Object.keys(content).length > 0 ? { content } : {}),
  };
}

/** By status, as references: routes share most of what they can refuse with. */
function problemResponses(codes: readonly ErrorCode[], shared: Map<string, JsonSchema>): JsonSchema {
  const byStatus = Map.groupBy(codes, (code) => errorCatalogue[code].status);
  const responses: JsonSchema = {};
  for (const [status, members] of byStatus) {
    const name = `${status}.${members.join('.')}`;
    if (!shared.has(name)) shared.set(name, problemResponse(status, members));
    responses[String(status)] = { $ref: `#/components/responses/${name}` };
  }
  return responses;
}

function problemResponse(status: number, members: readonly ErrorCode[]): JsonSchema {
  return {
    description: `${STATUS_CODES[status] ?? status}: ${members.map((code) => `\`${code}\``).join(', ')}`,
    content: {
      [PROBLEM_TYPE]: {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Problem' },
            { type: 'object', properties: { code: { enum: members } } },
          ],
        },
        examples: Object.fromEntries(
          members.map((code) => [code, { $ref: `#/components/examples/${code}` }]),
        ),
      },
    },
  };
}

/** What each code looks like, once for the whole document. */
export function problemExamples(): JsonSchema {
  const codes = Object.keys(errorCatalogue) as ErrorCode[];
  return Object.fromEntries(
    codes.map((code) => [
      code,
      { value: problemOf({ code, detail: errorCatalogue[code].fix }, 'req_3q2-7wAAAAAAAAAAAAAA') },
    ]),
  );
}
