/** Schemas that the document names: those listed here, and every body and answer by its operation. */
import type { z } from 'zod';
import {
  environmentViewSchema,
  flagExplanationViewSchema,
  flagInEnvironmentViewSchema,
  flagViewSchema,
  projectViewSchema,
} from '../../schemas/views/flags.ts';
import {
  explanationViewSchema,
  importedKeysViewSchema,
  issuedKeyViewSchema,
  keyChangeSchema,
  keyListItemSchema,
  keyViewSchema,
  leakViewSchema,
  ownerRevocationViewSchema,
  revokedKeysViewSchema,
} from '../../schemas/views/keys.ts';
import {
  ofrepBulkFailureSchema,
  ofrepBulkSchema,
  ofrepErrorSchema,
  ofrepEvaluationSchema,
  ofrepFailureSchema,
} from '../../schemas/views/ofrep.ts';
import { tenantViewSchema } from '../../schemas/views/tenants.ts';
import { limitViewSchema, verifyViewSchema } from '../../schemas/views/verify.ts';
import type { Route } from '../route.ts';

const views: Readonly<Record<string, z.ZodType>> = {
  Key: keyViewSchema,
  KeyListItem: keyListItemSchema,
  IssuedKey: issuedKeyViewSchema,
  RevokedKeys: revokedKeysViewSchema,
  ImportedKeys: importedKeysViewSchema,
  OwnerRevocation: ownerRevocationViewSchema,
  Leak: leakViewSchema,
  KeyChange: keyChangeSchema,
  Explanation: explanationViewSchema,
  Project: projectViewSchema,
  Environment: environmentViewSchema,
  Flag: flagViewSchema,
  FlagInEnvironment: flagInEnvironmentViewSchema,
  FlagExplanation: flagExplanationViewSchema,
  OfrepEvaluation: ofrepEvaluationSchema,
  OfrepFailure: ofrepFailureSchema,
  OfrepBulk: ofrepBulkSchema,
  OfrepBulkFailure: ofrepBulkFailureSchema,
  OfrepRefusal: ofrepErrorSchema,
  Tenant: tenantViewSchema,
  Verdict: verifyViewSchema,
  LimitStanding: limitViewSchema,
};

export interface NamedSchemas {
  readonly inputs: ReadonlyMap<string, z.ZodType>;
  readonly outputs: ReadonlyMap<string, z.ZodType>;
}

export function namedSchemas(routes: readonly Route<never>[]): NamedSchemas {
  const inputs = new Map<string, z.ZodType>();
  const outputs = new Map<string, z.ZodType>(Object.entries(views));
  const known = new Set<z.ZodType>(Object.values(views));
  const bodies = new Set<z.ZodType>();
  for (const route of routes) {
    if (route.body && !bodies.has(route.body)) {
      bodies.add(route.body);
      inputs.set(`${pascal(route.operationId)}Request`, route.body);
    }
    for (const [status, { schema, alternative }] of Object.entries(route.responses)) {
      const name = `${pascal(route.operationId)}Answer${status === '200' ? '' : status}`;
      for (const [suffix, form] of [
        ['', schema],
        ['Alternative', alternative],
      ] as const) {
        if (!form || known.has(form)) continue;
        known.add(form);
        outputs.set(name + suffix, form);
      }
    }
  }
  return { inputs, outputs };
}

export function nameOf(named: ReadonlyMap<string, z.ZodType>, schema: z.ZodType): string {
  for (const [name, known] of named) if (known === schema) return name;
  throw new Error('the document does not name this schema');
}

function pascal(operationId: string): string {
  return operationId[0]!.toUpperCase() + operationId.slice(1);
}
