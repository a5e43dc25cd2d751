/**
 * Gives the commands that fall due with time: today the expiry of keys. Several may run at once, for the
 * same key and due time are the same command.
 */
import { expireKey } from '../commands/keys/expire-key.ts';
import type { KeyDeps } from '../commands/keys/key-command.ts';
import type { TenantId } from '../schemas/envelope.ts';

export interface DueKey {
  readonly keyId: string;
  readonly tenant: TenantId;
  readonly dueAtMs: number;
}

/** Keys of every tenant whose expiry has come, was not written yet, and which are not revoked; earliest first. */
export type KeysDueToExpire = (nowMs: number, limit: number) => Promise<readonly DueKey[]>;

export interface SchedulerOptions {
  readonly signal: AbortSignal;
  readonly keysDueToExpire: KeysDueToExpire;
  /** Told of each round that did something or failed, and of the first that does not fail any more. */
  readonly ran?: (round: SchedulerRound) => void;
  readonly problemOf?: (error: unknown) => string;
}

export interface SchedulerRound {
  readonly expired: number;
  readonly problem: string | null;
}

const EVERY_MS = 1_000;
const MAX_RETRY_MS = 30_000;
/** Also how many commands are in flight at once. */
const BATCH_KEYS = 32;

/** Runs until the signal aborts; never rejects. */
export async function runScheduler(deps: KeyDeps, options: SchedulerOptions): Promise<void> {
  const { signal, ran, problemOf } = options;
  let failed = false;
  let waitMs = EVERY_MS;
  while (!signal.aborted) {
    try {
      const expired = await expireDueKeys(deps, options.keysDueToExpire);
      if (expired > 0 || failed) ran?.({ expired, problem: null });
      failed = false;
      waitMs = EVERY_MS;
      // More may be due than one batch holds. Not at once all the same: the read model has to see these go.
      await deps.clock.sleep(expired === BATCH_KEYS ? EVERY_MS / 10 : EVERY_MS, signal);
    } catch (error) {
      failed = true;
      const problem = problemOf?.(error) ?? `${(error as Error).name}: ${(error as Error).message}`;
      ran?.({ expired: 0, problem });
      waitMs = Math.min(waitMs * 2, MAX_RETRY_MS);
      await deps.clock.sleep(waitMs, signal);
    }
  }
}

/** One round. Answers how many expiries it wrote. One key that fails does not hold up the others. */
export async function expireDueKeys(deps: KeyDeps, keysDueToExpire: KeysDueToExpire): Promise<number> {
  const due = await keysDueToExpire(deps.clock.now(), BATCH_KEYS);
  const outcomes = await Promise.allSettled(due.map((key) => expireKey(deps, key)));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  const expired = outcomes.filter(
    ({ status, value }: { status: string; value?: Awaited<ReturnType<typeof expireKey>> }) =>
      status === 'fulfilled' && value?.kind === 'accepted' && value.position !== null && !value.replayed,
  ).length;
  if (failed && expired === 0) throw failed.reason;
  return expired;
}
