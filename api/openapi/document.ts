/** The OpenAPI 3.1 document, generated from the routes. */
import { errorCatalogue } from '../../schemas/errors.ts';
import { componentSchemas, type JsonSchema } from '../../schemas/json-schema.ts';
import type { Route } from '../route.ts';
import { namedSchemas } from './named-schemas.ts';
import { operationOf, problemExamples } from './operation.ts';

export interface OpenApiDocument {
  readonly openapi: '3.1.0';
  readonly info: JsonSchema;
  readonly paths: Readonly<Record<string, Readonly<Record<string, JsonSchema>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly [part: string]: unknown;
  };
  readonly [member: string]: unknown;
}

const TAGS: readonly { readonly name: string; readonly description: string }[] = [
  { name: 'Verify', description: 'Is this key good for this, now?' },
  { name: 'Keys', description: 'Issue, change, rotate, revoke and look back at keys.' },
  { name: 'Subjects', description: 'Erase what is personal about a person.' },
  { name: 'Tenants', description: 'Who keys belong to. Only for keys of the default tenant.' },
  { name: 'Projections', description: 'The read models, and what could not be projected.' },
  {
    name: 'Evaluate flags',
    description: 'What a flag answers to somebody, by the OpenFeature Remote Evaluation Protocol.',
  },
  { name: 'Self', description: 'About the caller.' },
  { name: 'Operations', description: 'Health, metrics and documentation.' },
];

export function openApiDocument(routes: readonly Route<never>[], version: string): OpenApiDocument {
  const named = namedSchemas(routes);
  const responses = new Map<string, JsonSchema>();
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    paths[route.path]![route.method.toLowerCase()] = operationOf(route, named, responses);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Plinth',
      version,
      description: INTRODUCTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This server' }],
    tags: TAGS.filter(({ name }) => routes.some((route) => route.tag === name)),
    paths,
    components: {
      schemas: {
        ...componentSchemas(named.inputs, 'input'),
        ...componentSchemas(named.outputs, 'output'),
        Problem: problemSchema,
      },
      securitySchemes: {
        managementKey: {
          type: 'http',
          scheme: 'bearer',
          description: 'A key of use `management`: `Authorization: Bearer plinth_live_…`.',
        },
        ...(routes.some(({ access }) => 'flagsKeys' in access) ? flagsSchemes : {}),
        ...(routes.some(({ access }) => 'streamToken' in access) ? { streamToken } : {}),
      },
      responses: Object.fromEntries([...responses].sort(([a], [b]) => (a < b ? -1 : 1))),
      examples: problemExamples(),
      parameters,
      headers,
    },
  };
}

const flagsSchemes: JsonSchema = {
  flagsKey: {
    type: 'http',
    scheme: 'bearer',
    description: 'A key of use `flags-server` or `flags-client`: `Authorization: Bearer plinth_live_…`.',
  },
  flagsApiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The same key.' },
};

const streamToken: JsonSchema = {
  type: 'apiKey',
  in: 'query',
  name: 'token',
  description: 'Of an address that an evaluation of all flags handed out.',
};

const INTRODUCTION = `API keys, from a command to a verified key.

**Credentials.** Every route but those marked public takes a management key as a bearer token. \`x-permission\` names the permission that the key must carry. What belongs to another tenant is answered like what never existed.

**Errors** are problem documents (RFC 9457). \`code\` is stable and from a closed list; \`type\` is the address of its documentation; \`errors\` names every field at fault.

**Commands** take an \`Idempotency-Key\`: the same key at the same target is the same command, and a repeat answers the original outcome with \`Idempotency-Replayed: true\`. A secret is shown once; a replay does not show it again.

**Read your writes.** A command answers with \`Plinth-Position\`; send it back with a read, and the read waits until it shows that write.

**Paging.** Lists answer \`nextCursor\`: pass it as \`cursor\` with the same filters.`;

const problemSchema: JsonSchema = {
  type: 'object',
  description: 'A problem document (RFC 9457).',
  required: ['type', 'title', 'status', 'code', 'detail', 'instance', 'requestId'],
  properties: {
    type: { type: 'string', format: 'uri-reference', description: 'Address of the documentation of `code`.' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(errorCatalogue), description: 'Stable.' },
    detail: { type: 'string', description: 'What was wrong this time.' },
    instance: { type: 'string', format: 'uri' },
    requestId: { type: 'string' },
    errors: {
      type: 'array',
      description: 'Every field at fault.',
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: {
          field: {
            type: 'string',
            description:
              'Path into the body (`limits[0].name`; `$`: all of it), or `query.…`, `path.…`, `header.…`.',
          },
          message: { type: 'string' },
        },
      },
    },
    permission: { type: 'string', description: 'With `permission_denied`: the one that is missing.' },
    retryAfterSeconds: { type: 'number', description: 'When to try again; `Retry-After` says the same.' },
  },
};

const parameters: JsonSchema = {
  RequestId: {
    name: 'X-Request-Id',
    in: 'header',
    description: 'Your id for this request; without one, or with an odd one, an id is made. It is answered.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9._:-]{1,128}$' },
  },
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description: 'The same key at the same target is the same command: safe to repeat.',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
  },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    description: 'The ETag that you saw: the command is refused when the thing has changed since.',
    schema: { type: 'string' },
  },
  AtLeast: {
    name: 'Plinth-Position',
    in: 'header',
    description: 'As an answer carried it: the read waits, for a bounded time, until it has got there.',
    schema: { type: 'string' },
  },
};

const headers: JsonSchema = {
  RequestId: { description: 'Id of the request.', schema: { type: 'string' } },
  Position: {
    description: 'Where the log stood: send it back to read this write.',
    schema: { type: 'string' },
  },
  Replayed: {
    description: '`true`: the command had been handled before, and this is its outcome.',
    schema: { type: 'string', const: 'true' },
  },
};
