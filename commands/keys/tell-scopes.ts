import type { ScopeQuery } from '../../schemas/commands/verify.ts';

type Term = string | { readonly all: readonly Term[] } | { readonly any: readonly Term[] };

/** A scope query as people read it: `(a and (b or c))`. */
export function tellScopes(query: ScopeQuery): string {
  return tell(Array.isArray(query) ? { all: query } : query);
}

function tell(term: Term): string {
  if (typeof term === 'string') return term;
  const [terms, word] = 'all' in term ? [term.all, ' and '] : [term.any, ' or '];
  const told = terms.map(tell);
  if (told.length === 0) return 'nothing';
  return told.length === 1 ? told[0]! : `(${told.join(word)})`;
}
