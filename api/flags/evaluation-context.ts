/** The evaluation context of a request: checked by hand, because this is asked of every evaluation. */
import type { EvaluationContext } from '../../commands/flags/engine/compile-flag.ts';
import {
  MAX_CONTEXT_ATTRIBUTES,
  MAX_CONTEXT_CHARS,
  MAX_CONTEXT_DEPTH,
} from '../../schemas/commands/ofrep.ts';

const EMPTY: EvaluationContext = Object.freeze({});

/** Of the body of a request, parsed; a text says what is wrong with it. A context that is not there is empty. */
export function contextOf(body: unknown): EvaluationContext | string {
  if (body === undefined) return EMPTY;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return 'The body is an object.';
  const { context } = body as { readonly context?: unknown };
  if (context === undefined || context === null) return EMPTY;
  if (typeof context !== 'object' || Array.isArray(context)) return '`context` is an object.';
  const { targetingKey } = context as EvaluationContext;
  if (targetingKey !== undefined && targetingKey !== null && typeof targetingKey !== 'string') {
    return '`targetingKey` is a text.';
  }
  return excess(context as EvaluationContext) ?? (context as EvaluationContext);
}

/** What it has too much of; null: it is within the limits. */
function excess(context: EvaluationContext): string | null {
  let attributes = 0;
  let chars = 0;
  let depth = 0;
  const measure = (value: unknown, at: number): void => {
    if (typeof value === 'string') chars += value.length;
    else if (typeof value === 'object' && value !== null) {
      if (at > depth) depth = at;
      if (at > MAX_CONTEXT_DEPTH) return;
      if (Array.isArray(value)) {
        attributes += value.length;
        for (const item of value) measure(item, at + 1);
        return;
      }
      for (const name in value) {
        attributes += 1;
        chars += name.length;
        measure((value as EvaluationContext)[name], at + 1);
      }
    }
  };
  measure(context, 1);
  if (depth > MAX_CONTEXT_DEPTH) return `A context is at most ${MAX_CONTEXT_DEPTH} levels deep.`;
  if (attributes > MAX_CONTEXT_ATTRIBUTES)
    return `A context has at most ${MAX_CONTEXT_ATTRIBUTES} attributes.`;
  return chars > MAX_CONTEXT_CHARS ? `A context has at most ${MAX_CONTEXT_CHARS} characters.` : null;
}

/**
 * One text for all that are equal, whatever the order of their attributes, and for no others: texts carry
 * their length instead of being escaped. Only of what is within the limits: it walks as deep as they let it.
 */
export function canonicalForm(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `"${value.length}:${value}`;
    case 'number':
      return `${value};`;
    case 'boolean':
      return value ? 't' : 'f';
  }
  if (value === null) return 'n';
  if (Array.isArray(value)) {
    let items = '[';
    for (const item of value) items += canonicalForm(item);
    return `${items}]`;
  }
  let members = '{';
  for (const name of Object.keys(value as object).sort()) {
    members += `${name.length}:${name}${canonicalForm((value as EvaluationContext)[name])}`;
  }
  return `${members}}`;
}
