/**
 * Rows that verify shares across processes, in Redis. A value is `<position> <text>`, so that one script can
 * keep an earlier position from overwriting a later one. Epoch and revision are part of the name: rows of
 * different histories or tables never meet, and those of old ones run out.
 *
 * Names are spread over `HASH_TAGS` hash tags: what is asked for together travels in few commands, and a
 * cluster spreads it over its nodes. What lies on a node that does not answer is as if it were not there,
 * and whoever asks reads the row; a call fails only when none of the nodes answers that it asks.
 */
import type { SharedCache } from '../../api/verify/shared-cache.ts';
import type { RedisConnection } from './connection.ts';
import { redisScript } from './script.ts';

/** An entry that old lies before what processes know the changes of, unless little happens. */
const ROW_TTL_MS = 60 * 60_000;
const HASH_TAGS = 32;

const CLAIM = redisScript(
  'claim-rows',
  `local mine = {}
for i = 1, #KEYS do
  mine[i] = redis.call('SET', KEYS[i], '1', 'NX', 'PX', ARGV[1]) and 1 or 0
end
return mine`,
);

/** KEYS: a row and its claim, by turns. ARGV: how long rows are kept; then a position and a text, by turns. */
const PUT = redisScript(
  'put-rows',
  `-- By bytes: Lua compares strings as the locale of the server would sort them.
local function later(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x > y end
  end
  return #a > #b
end
for i = 1, #KEYS, 2 do
  local position, text = ARGV[i + 1], ARGV[i + 2]
  local held = redis.call('GET', KEYS[i])
  local at = held and string.match(held, '^(%S*) ')
  if not (at and later(at, position)) then
    redis.call('SET', KEYS[i], position .. ' ' .. text, 'PX', ARGV[1])
  end
  redis.call('DEL', KEYS[i + 1])
end`,
);

export function redisSharedCache(redis: Pick<RedisConnection, 'mget' | 'run'>): SharedCache {
  return {
    async getMany(names) {
      const held = await byTag(names, null, (tag, some) => redis.mget(some.map((name) => rowKey(tag, name))));
      return held.map((value) => (value === null ? null : value.slice(value.indexOf(' ') + 1)));
    },
    async claim(names, claimMs) {
      const mine = await byTag(names, 1, async (tag, some) => {
        const keys = some.map((name) => claimKey(tag, name));
        return (await redis.run(CLAIM, keys, [claimMs])) as readonly number[];
      });
      return mine.map((one) => one === 1);
    },
    async put(records) {
      const of = new Map(records.map((record) => [record.name, record]));
      await byTag([...of.keys()], '', async (tag, some) => {
        const keys = some.flatMap((name) => [rowKey(tag, name), claimKey(tag, name)]);
        const args = some.flatMap((name) => [of.get(name)!.position, of.get(name)!.text]);
        await redis.run(PUT, keys, [ROW_TTL_MS, ...args]);
        return some;
      });
    },
  };
}

/**
 * One call a hash tag; the answers in the order of the names.
 * @param absent the answer where a call failed and another did not
 */
async function byTag<T>(
  names: readonly string[],
  absent: T,
  call: (tag: number, names: readonly string[]) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  const places = new Map<number, number[]>();
  for (const [i, name] of names.entries()) {
    const tag = tagOf(name);
    const own = places.get(tag);
    if (own) own.push(i);
    else places.set(tag, [i]);
  }
  const answers = new Array<T>(names.length).fill(absent);
  const calls = await Promise.allSettled(
    [...places].map(async ([tag, own]) => {
      const some = await call(
        tag,
        own.map((i) => names[i]!),
      );
      for (const [at, i] of own.entries()) answers[i] = some[at]!;
    }),
  );
  const failed = calls.filter((one) => one.status === 'rejected');
  if (failed.length > 0 && failed.length === calls.length) throw failed[0]!.reason;
  return answers;
}

/** FNV-1a. */
function tagOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % HASH_TAGS;
}

function rowKey(tag: number, name: string): string {
  return `{row-${tag}}:${name}`;
}

function claimKey(tag: number, name: string): string {
  return `{row-${tag}}claim:${name}`;
}
