/**
 * A client's key is public by design: whoever loads the page has it. So what is limited is what one address
 * asks with it, and nobody can use up what the others need.
 */
import { PlinthError } from '../../schemas/errors.ts';
import type { Caller } from '../deps.ts';
import type { LimitAnswer, Limiter } from '../verify/limiter.ts';

/** Throws, or rejects with, `too_many_requests`. Keys of servers may ask as often as they like. */
export type ClientLimit = (
  caller: Pick<Caller, 'tenant' | 'keyId' | 'use'>,
  ip: string,
) => void | Promise<void>;

export function clientLimit(limiter: Pick<Limiter, 'take'>, requestsAMinute: number): ClientLimit {
  return ({ tenant, keyId, use }, ip) => {
    if (use !== 'flags-client') return;
    const spend = { name: networkOf(ip), limit: requestsAMinute, windowSeconds: 60, cost: 1 };
    const answer = limiter.take(tenant, keyId, [spend]);
    return answer instanceof Promise ? answer.then(demandAdmitted) : demandAdmitted(answer);
  };
}

function demandAdmitted({ admitted, limits }: LimitAnswer): void {
  if (admitted) return;
  throw new PlinthError('too_many_requests', 'This address asks too often with this key.', {
    extra: { retryAfterSeconds: limits[0]?.retryAfterSeconds ?? 1 },
  });
}

/** Who has one IPv6 address has 2^64 of them: the network is what counts (RFC 6177). */
export function networkOf(ip: string): string {
  if (!ip.includes(':')) return ip;
  const [head = '', tail] = ip.split('%', 1)[0]!.toLowerCase().split('::');
  const groups = head === '' ? [] : head.split(':');
  const behind = tail === undefined || tail === '' ? [] : tail.split(':');
  while (tail !== undefined && groups.length + behind.length < 8) groups.push('0');
  return [...groups, ...behind]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
