/** Operations as the OpenAPI document tells them: what generated tests are generated from. */
import type { OpenApiDocument } from '../../api/openapi/document.ts';
import type { JsonSchema } from '../../schemas/json-schema.ts';

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly schema: JsonSchema;
}

export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly operationId: string;
  readonly isPublic: boolean;
  /** How long a good answer takes. */
  readonly seconds: number;
  /** Takes keys of flags readers alone. */
  readonly forFlagsKeys: boolean;
  /** What lets in is in the address, and of no other operation's making. */
  readonly byToken: boolean;
  /** Null: any credential will do. */
  readonly permission: string | null;
  readonly parameters: readonly Parameter[];
  /** Null: it takes no body. */
  readonly body: JsonSchema | null;
  readonly bodyExample: unknown;
  readonly responses: Readonly<Record<string, JsonSchema>>;
}

export function operationsOf(document: OpenApiDocument): readonly Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const body = (operation.requestBody as { content: Record<string, JsonSchema> } | undefined)?.content[
        'application/json'
      ];
      return {
        method: method.toUpperCase() as Operation['method'],
        path,
        operationId: operation.operationId as string,
        isPublic: operation['x-public'] === true,
        forFlagsKeys: (operation.security as JsonSchema[]).some((scheme) => 'flagsKey' in scheme),
        byToken: (operation.security as JsonSchema[]).some((scheme) => 'streamToken' in scheme),
        seconds: (operation['x-expected-seconds'] as number | undefined) ?? 0,
        permission: (operation['x-permission'] as string | undefined) ?? null,
        parameters: (operation.parameters as JsonSchema[]).map(
          (parameter) => resolve(document, parameter) as unknown as Parameter,
        ),
        body: (body?.schema as JsonSchema | undefined) ?? null,
        bodyExample: body?.example,
        responses: Object.fromEntries(
          Object.entries(operation.responses as Record<string, JsonSchema>).map(([status, response]) => [
            status,
            resolve(document, response),
          ]),
        ),
      };
    }),
  );
}

/** Follows references within the document. */
export function resolve(document: OpenApiDocument, schema: JsonSchema): JsonSchema {
  let found = schema;
  for (let hops = 0; typeof found.$ref === 'string'; hops++) {
    if (hops > 20) throw new Error(`${schema.$ref} leads nowhere`);
    const steps = found.$ref.replace(/^#\//, '').split('/');
    let at: unknown = document;
    for (const step of steps) at = (at as Record<string, unknown>)[step];
    if (at === undefined) throw new Error(`${found.$ref} is not in the document`);
    found = at as JsonSchema;
  }
  return found;
}
