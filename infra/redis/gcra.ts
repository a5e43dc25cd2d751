/**
 * The limiter's script: the meters of `commands/keys/gcra.ts`, of several limits of one key, all spent or
 * none, on the clock of Redis. The same operations on the same doubles in the same order, and doubles
 * travel with 17 digits, so that both agree to the last bit.
 *
 * A meter is `<used> <ms>` and runs out with its key: one that is empty need not be known.
 */
import { redisScript } from './script.ts';

/** Of one limit, in the order of the script's arguments. */
export interface GcraAsk {
  readonly limit: number;
  readonly windowSeconds: number;
  /** Units without which nothing is admitted. */
  readonly need: number;
  /** Units more, to be spent locally, if they are in the first half of the limit: as many as there are. */
  readonly want: number;
  /** Units of an earlier want that were not spent, and when they were granted, by the clock of Redis. */
  readonly back: number;
  readonly backAtMs: number;
}

export interface GcraReply {
  readonly admitted: boolean;
  /** By the clock of Redis. */
  readonly nowMs: number;
  /** Per limit: units in the bucket before anything was spent, and those granted of the want. */
  readonly used: readonly number[];
  readonly granted: readonly number[];
}

/**
 * What is given back is less what has run out of the bucket since it was granted: those units would have
 * run out all the same if they had never been spent, so that giving them back would admit them twice.
 */
export const gcraScript = redisScript(
  'limits',
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local take = ARGV[1] == 'take'
local admitted = true
local limits = {}
for i, key in ipairs(KEYS) do
  local at = 2 + (i - 1) * 6
  local l = {
    limit = tonumber(ARGV[at]), seconds = tonumber(ARGV[at + 1]), need = tonumber(ARGV[at + 2]),
    want = tonumber(ARGV[at + 3]), back = tonumber(ARGV[at + 4]), used = 0, at = now, granted = 0,
  }
  local held = redis.call('GET', key)
  if held then
    local used, ms = string.match(held, '^(%S+) (%S+)$')
    used, ms = tonumber(used), tonumber(ms)
    if l.back > 0 then
      local age = math.max(0, now - tonumber(ARGV[at + 5]))
      used = used - math.max(0, l.back - (age * l.limit) / (l.seconds * 1000))
    end
    local elapsed = math.max(0, now - ms)
    l.used = math.max(0, math.min(used, l.limit) - (elapsed * l.limit) / (l.seconds * 1000))
    l.at = math.max(ms, now)
  end
  if l.used + l.need > l.limit + 1e-6 then admitted = false end
  limits[i] = l
end
local reply = {admitted and 1 or 0, now}
for i, l in ipairs(limits) do
  local spent = l.used
  if take and admitted then
    l.granted = math.max(0, math.min(l.want, math.floor(l.limit / 2 - l.used - l.need)))
    spent = l.used + l.need + l.granted
  end
  if spent ~= l.used or l.back > 0 then
    local ms = (spent * l.seconds * 1000) / l.limit + (l.at - now)
    if ms <= 0 then
      redis.call('DEL', KEYS[i])
    else
      redis.call('SET', KEYS[i], string.format('%.17g %.17g', spent, l.at), 'PX', math.ceil(ms))
    end
  end
  reply[#reply + 1] = string.format('%.17g', l.used)
  reply[#reply + 1] = l.granted
end
return reply
`,
);

export function gcraArguments(mode: 'take' | 'peek', asks: readonly GcraAsk[]): (string | number)[] {
  const args: (string | number)[] = [mode];
  for (const { limit, windowSeconds, need, want, back, backAtMs } of asks) {
    args.push(limit, windowSeconds, need, want, back, backAtMs);
  }
  return args;
}

export function gcraReply(answer: unknown): GcraReply {
  const [admitted, nowMs, ...limits] = answer as (string | number)[];
  const used: number[] = [];
  const granted: number[] = [];
  for (let i = 0; i < limits.length; i += 2) {
    used.push(Number(limits[i]));
    granted.push(Number(limits[i + 1]));
  }
  return { admitted: admitted === 1, nowMs: Number(nowMs), used, granted };
}
