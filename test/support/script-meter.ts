/** What the limiter's script does in Redis, of one limit, in memory: `gcra.test.ts` holds the script to it. */
import { admits, type Meter, spent, usedNow } from '../../commands/keys/gcra.ts';
import type { GcraAsk, GcraReply } from '../../infra/redis/gcra.ts';

export class ScriptMeter {
  meter: Meter | undefined;

  run(ask: GcraAsk, nowMs: number): GcraReply {
    const held = this.meter;
    const perMs = ask.limit / (ask.windowSeconds * 1000);
    const back = Math.max(0, ask.back - Math.max(0, nowMs - ask.backAtMs) * perMs);
    const used = usedNow(held && { ...held, used: held.used - back }, ask, nowMs);
    const admitted = admits(used, ask, ask.need);
    const granted = admitted
      ? Math.max(0, Math.min(ask.want, Math.floor(ask.limit / 2 - used - ask.need)))
      : 0;
    this.meter = spent(held, used, admitted ? ask.need + granted : 0, nowMs);
    return { admitted, nowMs, used: [used], granted: [granted] };
  }
}
