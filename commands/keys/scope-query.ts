import type { ScopeQuery } from '../../schemas/commands/verify.ts';

/** Whether the scopes that a key holds satisfy an AND/OR query. A held `…*` stands for all that begin so. */
export function scopesSatisfy(query: ScopeQuery, held: readonly string[]): boolean {
  if (typeof query === 'string') return holds(held, query);
  if (Array.isArray(query)) return query.every((scope) => holds(held, scope));
  if ('all' in query) {
    return query.all.every((part) =>
      typeof part === 'string' ? holds(held, part) : part.any.some((scope) => holds(held, scope)),
    );
  }
  return query.any.some((part) =>
    typeof part === 'string' ? holds(held, part) : part.all.every((scope) => holds(held, scope)),
  );
}

function holds(held: readonly string[], wanted: string): boolean {
  for (const scope of held) {
    if (scope === wanted) return true;
    if (scope.endsWith('*') && wanted.startsWith(scope.slice(0, -1))) return true;
  }
  return false;
}
