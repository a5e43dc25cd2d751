/** Keys are issued only while limits are shared. */
import { PlinthError } from '../../schemas/errors.ts';
import type { Services } from '../services.ts';

const RETRY_AFTER_SECONDS = 1;

/**
 * A key that is issued while every process judges limits by itself could spend a whole burst before the
 * processes know of each other again: of all that limits guard, making keys is what waits for that. Keys that
 * exist are verified, changed and revoked meanwhile.
 *
 * Throws `PlinthError` `unavailable`.
 */
export function mustBeOpenForIssuing({ limiter }: Pick<Services, 'limiter'>): void {
  const why = limiter.unshared();
  if (why === null) return;
  throw new PlinthError('unavailable', `Keys are not issued while limits cannot be shared: ${why}.`, {
    extra: { retryAfterSeconds: RETRY_AFTER_SECONDS },
  });
}
