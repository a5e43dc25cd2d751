/** Values that break what is not on its guard, and ways to damage a good document with them. */
import type { SeededRandom } from './seeded-random.ts';

const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
};

export const hostileValues: readonly unknown[] = [
  null,
  true,
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\u202e\u0007\u200b',
  '😀'.repeat(200),
  'é́́́',
  "'; DROP TABLE keys; --",
  '%00%ff',
  '../../../../etc/passwd',
  ['$', '{jndi:ldap://x}'].join(''),
  '<script>alert(1)</script>',
  'x'.repeat(5_000),
  'NaN',
  '__proto__',
  'constructor',
  'plinth_live_4fTq0ZxW91bA_0000000000000000000000000000000000000000000000000',
  `tnt_${'f'.repeat(32)}`,
  'key_000000000000',
  '9999-12-31T23:59:59Z',
  '0000-01-01T00:00:00Z',
  '2026-02-30T00:00:00Z',
  '+275760-09-13T00:00:00.001Z',
  '::1',
  '0.0.0.0/0',
  '999.1.1.1',
  0,
  -0,
  -1,
  0.1,
  1e-300,
  2 ** 31,
  2 ** 53,
  2 ** 63,
  1e308,
  [],
  {},
  [[]],
  [null],
  { length: -1 },
  JSON.parse('{"then":1}'),
  { toString: 1, valueOf: 2 },
  { $ref: '#' },
  { constructor: { prototype: { admin: true } } },
  JSON.parse('{"__proto__":{"admin":true}}'),
  nested(12),
  nested(40),
  Array.from({ length: 500 }, (_, i) => i),
  Array.from({ length: 200 }, () => ({ name: 'a', limit: 1, windowSeconds: 1 })),
  Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, i])),
];

/** The document with some places replaced, removed, repeated or added. The original is left as it is. */
export function damaged(document: unknown, random: SeededRandom): unknown {
  const copy = structuredClone(document);
  if (copy === null || typeof copy !== 'object' || random.chance(0.05)) return hostile(random);
  const times = 1 + random.below(3);
  for (let i = 0; i < times; i++) damageOnce(copy, random);
  return copy;
}

function damageOnce(root: object, random: SeededRandom): void {
  let at = root as Record<string, unknown>;
  for (let depth = 0; depth < 4; depth++) {
    const inner = Object.values(at).filter((value) => value !== null && typeof value === 'object');
    if (inner.length === 0 || random.chance(0.5)) break;
    at = random.pick(inner) as Record<string, unknown>;
  }
  const keys = Object.keys(at);
  const action = random.below(10);
  if (Array.isArray(at) && (keys.length === 0 || action === 0)) {
    at.push(hostile(random));
  } else if (keys.length === 0 || action === 0) {
    const name = random.pick([
      'unknown',
      '__proto__',
      'constructor',
      '',
      '\u0000',
      'a.b',
      'length',
      'tenant',
      'id',
    ]);
    Object.defineProperty(at, name, {
      value: hostile(random),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  } else if (action === 1) {
    delete at[random.pick(keys)];
  } else {
    at[random.pick(keys)] = hostile(random);
  }
}

/** A copy: what was put in may itself be damaged next. */
function hostile(random: SeededRandom): unknown {
  return structuredClone(random.pick(hostileValues));
}
