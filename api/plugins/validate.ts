/** Checks parameters, query and body against their schemas, all at once: every fault is named. */
import type { z } from 'zod';
import { type FieldFault, PlinthError } from '../../schemas/errors.ts';
import { hostileText } from './json-body.ts';

export interface Schemas {
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
}
export interface Parts {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

/** Throws `invalid_request` with all faults. A missing body is read as an empty object. */
export function validate(schemas: Schemas, parts: Parts): Parts {
  const faults: FieldFault[] = [];
  const params = check(schemas.params, parts.params, 'path.', faults);
  const query = check(schemas.query, parts.query, 'query.', faults, true);
  const body = check(schemas.body, parts.body === undefined ? {} : parts.body, '', faults);
  if (faults.length > 0) {
    const first = faults[0]!;
    throw new PlinthError(
      'invalid_request',
      faults.length === 1 ? `${first.field}: ${first.message}` : `${faults.length} fields are not valid.`,
      { errors: faults },
    );
  }
  return { params, query, body };
}

function check(
  schema: z.ZodType | undefined,
  value: unknown,
  prefix: string,
  faults: FieldFault[],
  strict = false,
): unknown {
  if (!schema) {
    if (!strict) return undefined;
    for (const name of Object.keys(value as object)) faults.push(unknownField(`${prefix}${name}`));
    return undefined;
  }
  if (prefix !== '') {
    for (const [name, text] of Object.entries(value as Record<string, unknown>)) {
      const message =
        (typeof text === 'string' ? hostileText(text) : 'may be given once') ?? hostileText(name);
      if (message) faults.push({ field: fieldName(prefix, [name]), message });
    }
    if (faults.length > 0) return undefined;
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) faultsOf(issue, prefix, [], value, faults);
  return undefined;
}

type Issue = z.core.$ZodIssue;

function faultsOf(
  issue: Issue,
  prefix: string,
  base: readonly PropertyKey[],
  root: unknown,
  faults: FieldFault[],
): void {
  const path = [...base, ...issue.path];
  switch (issue.code) {
    case 'unrecognized_keys':
      for (const key of issue.keys) faults.push(unknownField(fieldName(prefix, [...path, key])));
      return;
    case 'invalid_union': {
      // The branch that fits best speaks for the union; one that is of another type altogether does not.
      const branches = issue.errors.filter((errors) => errors.length > 0);
      const best = branches.toSorted((a, b) => misfit(a) - misfit(b))[0];
      if (!best || misfit(best) >= WRONG_TYPE) {
        faults.push({ field: fieldName(prefix, path), message: formOf(branches, valueAt(root, path)) });
        return;
      }
      for (const inner of best) faultsOf(inner, prefix, path, root, faults);
      return;
    }
    default:
      faults.push({ field: fieldName(prefix, path), message: messageOf(issue) });
  }
}

/** Which types a union takes, where what came is of none of them. */
function formOf(branches: readonly (readonly Issue[])[], value: unknown): string {
  if (value === undefined) return 'is required';
  const types = branches.flat().flatMap((e) => {
    return e.code === 'invalid_type' && e.path.length === 0 ? [e.expected] : [];
  });
  return types.length === 0
    ? 'has a form that is not taken here'
    : `must be ${[...new Set(types)].join(' or ')}`;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, step) => (value as Record<PropertyKey, unknown> | null)?.[step], root);
}

const WRONG_TYPE = 1_000;
function misfit(errors: readonly Issue[]): number {
  return errors.reduce((sum, e) => {
    if (e.code === 'invalid_type' && e.path.length === 0) return sum + WRONG_TYPE;
    return sum + (e.code === 'unrecognized_keys' ? e.keys.length : 1);
  }, 0);
}

function messageOf(issue: Issue): string {
  if (
    issue.code === 'invalid_type' &&
    issue.input === undefined &&
    /received undefined/.test(issue.message)
  ) {
    return 'is required';
  }
  const message = issue.message
    .replace(/^Invalid input: /, '')
    .replace(/^(?:Invalid|Too) /, (m) => m.toLowerCase());
  // A message never repeats what was sent: it may be a secret.
  return message.length > 300 ? `${message.slice(0, 297)}…` : message;
}

function unknownField(field: string): FieldFault {
  return { field, message: 'is not known here' };
}

/** `limits[0].name`, `query.cursor`; the whole body is `$`. */
export function fieldName(prefix: string, path: readonly PropertyKey[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text === '' ? String(step) : `.${String(step)}`;
  }
  const name = text.slice(0, 200).toWellFormed().replaceAll('\0', '\\0');
  return prefix + name || '$';
}
