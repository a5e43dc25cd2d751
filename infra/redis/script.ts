/** A Lua script as Redis knows it: by the digest of its text, which travels only where it is not known yet. */
import { createHash } from 'node:crypto';

export interface RedisScript {
  /** Of errors and metrics. */
  readonly name: string;
  readonly text: string;
  readonly sha1: string;
}

export function redisScript(name: string, text: string): RedisScript {
  return { name, text, sha1: createHash('sha1').update(text).digest('hex') };
}
