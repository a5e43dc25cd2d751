import type { CreditsState } from './key-state.ts';

/** The latest refill that has fallen due and was not written yet; those before it were overtaken by it. */
export function dueRefill(
  credits: CreditsState | null,
  nowMs: number,
): { readonly remaining: number; readonly dueAtMs: number } | null {
  if (credits === null || credits.refill === null) return null;
  const everyMs = credits.refill.everySeconds * 1000;
  const due = Math.floor((nowMs - credits.refilledAtMs) / everyMs);
  if (due < 1) return null;
  return { remaining: credits.refill.amount, dueAtMs: credits.refilledAtMs + due * everyMs };
}

/** When the first refill that is not written fell or falls due, on this very balance; null: never by itself. */
export function nextRefillAtMs(credits: CreditsState | null): number | null {
  if (credits === null || credits.refill === null) return null;
  return credits.refilledAtMs + credits.refill.everySeconds * 1000;
}
