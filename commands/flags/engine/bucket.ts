/** Bucketing as `flagd-v2` defines it: `(hash * total) >> 32`, over whole weights. */

export const MAX_TOTAL_WEIGHT = 2_147_483_647;
/** Up to this the product of hash and total is exact as a number. */
const MAX_EXACT_TOTAL = 2 ** 21;
const TWO_32 = 2 ** 32;

/** Which of `total` equal parts an unsigned 32-bit hash lies in: 0 to total - 1. */
export function bucketOf(hash: number, total: number): number {
  if (total <= MAX_EXACT_TOTAL) return Math.floor((hash * total) / TWO_32);
  const low = Math.floor(((hash & 0xffff) * total) / 65_536);
  return Math.floor(((hash >>> 16) * total + low) / 65_536);
}
