/**
 * Writes the types of the Node client from the schemas, so that the client needs nothing of this
 * repository and still says what the API says: `node .ci/client-types.ts --write`. A test compares.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import * as keyCommands from '../schemas/commands/keys.ts';
import * as tenantCommands from '../schemas/commands/tenants.ts';
import * as verifyCommands from '../schemas/commands/verify.ts';
import { errorCatalogue } from '../schemas/errors.ts';
import { permissionSchema } from '../schemas/permissions.ts';
import { creditsSchema, namedLimitSchema } from '../schemas/values.ts';
import { verifyCodeSchema } from '../schemas/verify-codes.ts';
import * as keyViews from '../schemas/views/keys.ts';
import * as subjectViews from '../schemas/views/subjects.ts';
import * as tenantViews from '../schemas/views/tenants.ts';
import * as verifyViews from '../schemas/views/verify.ts';

export const TYPES_FILE = new URL('../clients/node/types.ts', import.meta.url);

/** Named once and used by name wherever they occur. */
const shared = {
  ErrorCode: z.enum(Object.keys(errorCatalogue) as [string, ...string[]]),
  VerifyCode: verifyCodeSchema,
  Permission: permissionSchema,
  NamedLimit: namedLimitSchema,
  Credits: creditsSchema,
  KeyStatus: keyViews.keyStatusSchema,
  ScopeQuery: verifyCommands.scopeQuerySchema,
};
/** What a caller sends: fields with a default may be left out. */
const inputs = {
  VerifyRequest: verifyCommands.verifyKeySchema,
  ExplainRequest: verifyCommands.explainVerifySchema,
  IssueKeyRequest: keyCommands.issueKeySchema,
  UpdateKeyRequest: keyCommands.updateKeySchema,
  RotateKeyRequest: keyCommands.rotateKeySchema,
  RevokeKeysRequest: keyCommands.revokeKeysSchema,
  ReasonRequest: keyCommands.revokeKeySchema,
  SetCreditsRequest: keyCommands.setCreditsSchema,
  ImportKeysRequest: keyCommands.importKeysSchema,
  ReportLeakRequest: keyCommands.reportLeakSchema,
  CreateTenantRequest: tenantCommands.createTenantSchema,
  IssueAdminKeyRequest: tenantCommands.issueAdminKeySchema,
};
/** What the API answers. */
const outputs = {
  Verdict: verifyViews.verifyViewSchema,
  VerdictFault: verifyViews.verifyFaultSchema,
  Explanation: keyViews.explanationViewSchema,
  Key: keyViews.keyViewSchema,
  KeyListItem: keyViews.keyListItemSchema,
  IssuedKey: keyViews.issuedKeyViewSchema,
  RevokedKeys: keyViews.revokedKeysViewSchema,
  ImportedKeys: keyViews.importedKeysViewSchema,
  OwnerRevocation: keyViews.ownerRevocationViewSchema,
  Leak: keyViews.leakViewSchema,
  KeyChange: keyViews.keyChangeSchema,
  Tenant: tenantViews.tenantViewSchema,
  Subject: subjectViews.subjectViewSchema,
};

interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly $ref?: string;
}

/** The text of `clients/node/types.ts`, before the formatter. */
export function clientTypes(): string {
  const names = new Map<string, string>();
  const declared = (group: Record<string, z.ZodType>, io: 'input' | 'output') =>
    Object.entries(group).map(([name, schema]) => {
      const text = typeOf(z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as JsonSchema, names);
      if (!names.has(text)) names.set(text, name);
      return `export type ${name} = ${text};\n`;
    });
  return [
    '/** Generated from the schemas of the API; a test keeps it so. */\n',
    'export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };\n',
    ...declared(shared, 'output'),
    ...declared(inputs, 'input'),
    ...declared(outputs, 'output'),
  ].join('\n');
}

/** `names`: of types that were declared before, by their text. */
function typeOf(schema: JsonSchema, names: ReadonlyMap<string, string>): string {
  const text = textOf(schema, (part) => typeOf(part, names));
  return names.get(text) ?? text;
}

function textOf(schema: JsonSchema, of: (part: JsonSchema) => string): string {
  if (schema.$ref !== undefined) return 'Json';
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return [...new Set(either.map(of))].join(' | ');
  if (Array.isArray(schema.type)) return schema.type.map((type) => of({ ...schema, type })).join(' | ');
  switch (schema.type) {
    case 'string':
      return 'string';
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'null':
      return 'null';
    case 'array':
      return `(${of(schema.items ?? {})})[]`;
    case 'object':
      return objectOf(schema, of);
    default:
      return 'Json';
  }
}

function objectOf(
  { properties, required = [], additionalProperties }: JsonSchema,
  of: (part: JsonSchema) => string,
): string {
  if (!properties) {
    const value = typeof additionalProperties === 'object' ? of(additionalProperties) : 'Json';
    return `{ [name: string]: ${value} }`;
  }
  const fields = Object.entries(properties).map(
    ([name, field]) => `${JSON.stringify(name)}${required.includes(name) ? '' : '?'}: ${of(field)};`,
  );
  return `{\n${fields.join('\n')}\n}`;
}

/** Spaces, quotes and line breaks do not count: the formatter may have its way. */
export function sameText(a: string, b: string): boolean {
  const bare = (text: string) => text.replace(/[\s'"();|,]/g, '');
  return bare(a) === bare(b);
}

if (process.argv[1] === import.meta.filename) {
  const text = clientTypes();
  if (process.argv.includes('--write')) writeFileSync(TYPES_FILE, text);
  else process.exitCode = sameText(text, readFileSync(TYPES_FILE, 'utf8')) ? 0 : 1;
}
