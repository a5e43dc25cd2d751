/** Ten processes spend from the limits of one Redis: never more than there is, by leases or not. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openRedis } from '../../infra/redis/connection.ts';
import { gcraArguments, gcraReply, gcraScript } from '../../infra/redis/gcra.ts';
import { Secret } from '../../schemas/secret.ts';
import type { TakeOrder, TakeOutcome } from '../support/limiter-process.ts';
import type { Cleanup } from '../support/postgres.ts';
import { ownRedis } from '../support/redis-server.ts';
import { without } from '../support/servers.ts';

const PROCESSES = 10;
const MONTH_SECONDS = 31 * 86_400;

test('ten processes admit a limit once, and what they leased and did not spend comes back', {
  skip: without('redis'),
}, async (t) => {
  const server = await ownRedis(t);
  const redis = openRedis({ prefix: 'plinth', url: new Secret(server.url), deadlineMs: 20_000 });
  t.after(() => redis.close());
  assert.ok(await redis.whenReady(20_000));
  const takers = await Promise.all(
    Array.from({ length: PROCESSES }, (_, i) => startTaker(t, server.url, `p${i}`)),
  );
  const all = async (order: TakeOrder) => {
    const outcomes = await Promise.all(takers.map((taker) => taker.take(order)));
    const sum = (of: keyof TakeOutcome) => outcomes.reduce((total, outcome) => total + outcome[of], 0);
    return { admitted: sum('admitted'), denied: sum('denied'), unasked: sum('unasked') };
  };
  const used = async (keyId: string, limit: number, windowSeconds: number) => {
    const ask = { limit, windowSeconds, need: 0, want: 0, back: 0, backAtMs: 0 };
    return gcraReply(await redis.run(gcraScript, [`{limits:t:${keyId}}:n`], gcraArguments('peek', [ask])))
      .used[0]!;
  };

  // Well below the limit: most calls ask nobody, and each is counted once. Nothing of it runs out meanwhile.
  const below = { keyId: 'below', limit: 100_000, windowSeconds: MONTH_SECONDS };
  const low = await all({ ...below, calls: 1_000, atOnce: 1 });
  assert.equal(low.admitted, 10_000);
  assert.ok(low.unasked > 5_000, `${low.unasked} of 10000 were leased`);
  // What is left of leases goes back, less what ran out since they were granted: far below a unit.
  for (let tries = 0; (await used(below.keyId, below.limit, below.windowSeconds)) > 10_001; tries++) {
    assert.ok(tries < 200, `${await used(below.keyId, below.limit, below.windowSeconds)} are used of 10000`);
    await pause(50);
  }
  assert.ok((await used(below.keyId, below.limit, below.windowSeconds)) > 9_998);

  // Twice the limit: once, and not less than the stated half however leases lie.
  const above = { keyId: 'above', limit: 5_000, windowSeconds: MONTH_SECONDS };
  const high = await all({ ...above, calls: 1_000, atOnce: 4 });
  assert.ok(high.admitted <= 5_000 && high.admitted >= 2_500, `${high.admitted} of 5000`);
  let rest = 0;
  for (let tries = 0; high.admitted + rest < 4_999; tries++) {
    assert.ok(tries < 200, `${high.admitted} and then ${rest} of 5000`);
    await pause(50);
    rest += (await all({ ...above, calls: 20, atOnce: 1 })).admitted;
  }
  assert.ok(high.admitted + rest <= 5_000, `${high.admitted} and then ${rest} of 5000`);

  // A small limit is asked for unit by unit: exactly.
  const small = await all({ keyId: 'small', limit: 70, windowSeconds: MONTH_SECONDS, calls: 20, atOnce: 4 });
  assert.ok(small.admitted === 70 && small.denied >= 130, JSON.stringify(small));

  // A limit that fills while it is spent.
  const startedMs = performance.now();
  const filling = await all({
    keyId: 'filling',
    limit: 1_000,
    windowSeconds: 10,
    calls: 1e9,
    atOnce: 2,
    forMs: 2_000,
  });
  const bound = 1_000 + ((performance.now() - startedMs) / 10_000) * 1_000;
  assert.ok(filling.admitted <= bound, `${filling.admitted} of ${bound}`);
  assert.ok(filling.admitted >= 1_100, `${filling.admitted} of ${bound}`);
});

interface Taker {
  take(order: TakeOrder): Promise<TakeOutcome>;
}

async function startTaker(t: Cleanup, url: string, writer: string): Promise<Taker> {
  const program = fileURLToPath(new URL('../support/limiter-process.ts', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [program, url, writer], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(async () => {
    const ended = child.exitCode === null ? new Promise((resolve) => child.once('exit', resolve)) : null;
    child.stdin!.end();
    await ended;
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('a process that takes has ended');
    return JSON.parse(value) as TakeOutcome;
  };
  await next();
  return {
    async take(order) {
      child.stdin!.write(`${JSON.stringify(order)}\n`);
      return next();
    },
  };
}
