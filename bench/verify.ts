/**
 * `POST /v1/keys/verify` under full load: 10,000 keys drawn by Zipf's law, the caller authenticated, one
 * named limit spent. Against the same application whose route answers the same every time: what the
 * product adds to HTTP, validation, serialising, logs and metrics is the difference.
 *
 * Every server is a process of its own, writes its log to a file, and is idle while another is measured;
 * the load comes from this process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { issueKey } from '../commands/keys/issue-key.ts';
import { issueKeySchema } from '../schemas/commands/keys.ts';
import { seededRandom } from '../test/support/seeded-random.ts';
import { type Benchmark, interleave, quantile } from './harness.ts';
import {
  arrive,
  type GoodStatus,
  type NextRequest,
  requestBytes,
  saturate,
  type Target,
} from './http-load.ts';
import { commandOf, GRANTOR, issueKeys, type ScratchHouse, scratchHouse } from './scratch-house.ts';

const KEYS = 10_000;
const CONNECTIONS = 64;
export const ROUND_MS = 1_500;
const ROUNDS = 4;
const BARE_MS = 1_000;
const HALF_LOAD_ROUNDS = 5;
/** Of the p99 at half load, in parts of the yardstick's at its own half load. */
const MAX_P99_RATIO = 1.5;
const DRAWS = 65_536;
const READY_WITHIN_MS = 20_000;

export const verifyBenchmark: Benchmark = {
  name: 'verify',
  unit: 'requests/s',
  bar: 0.75,
  passes: 'at least',
  says: `${KEYS} keys drawn by Zipf, caller authenticated, one named limit, against a constant answer with the same schemas, log and metrics`,
  async measure() {
    const house = await scratchHouse();
    const servers: ChildProcess[] = [];
    const start = async (kind: string) => {
      const { child, target } = await startServer(house, kind);
      servers.push(child);
      return target;
    };
    try {
      const requests = await requestsOf(house);
      const next = zipfDraws(requests);
      const plinth = await start('plinth');
      await untilReady(plinth, requests);
      const constant = await start('constant');
      const bare = await start('bare');

      const full = await interleave({
        rounds: ROUNDS,
        subject: () => fullLoad(plinth, ROUND_MS, next),
        yardstick: () => fullLoad(constant, ROUND_MS, next),
      });
      const half = await interleave({
        rounds: HALF_LOAD_ROUNDS,
        subject: () => p99At(plinth, full.value / 2, next),
        yardstick: () => p99At(constant, full.yardstick / 2, next),
      });
      await fullLoad(bare, BARE_MS, next);
      const barePerSecond = await fullLoad(bare, BARE_MS, next);
      return {
        ...full,
        conditions: [
          {
            what: `p99 at half load: ${half.value.toFixed(2)} ms, ${half.ratio.toFixed(2)} × the yardstick's ${half.yardstick.toFixed(2)} ms, at most ${MAX_P99_RATIO} ×`,
            holds: half.ratio <= MAX_P99_RATIO,
          },
        ],
        notes: [
          `a bare Fastify route answers ${Math.round(barePerSecond)} requests/s: verify reaches ${(full.value / barePerSecond).toFixed(2)} of it`,
        ],
      };
    } finally {
      for (const server of servers) await ended(server);
      await house.close();
    }
  },
};

export async function startServer(
  house: ScratchHouse,
  kind: string,
  more: Readonly<Record<string, string>> = {},
): Promise<{ child: ChildProcess; target: Target }> {
  const lines = openSync(join(house.folder, `${kind}.log`), 'a');
  const child = fork(
    new URL('measured-server.ts', import.meta.url),
    [kind, JSON.stringify({ ...house.environment, ...more })],
    { stdio: ['ignore', lines, 'inherit', 'ipc'] },
  );
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { port: number }).port));
    child.once('exit', (code) => reject(new Error(`the ${kind} server ended with ${code}`)));
  });
  return { child, target: { host: '127.0.0.1', port } };
}

export function ended(child: ChildProcess): Promise<unknown> {
  if (child.exitCode !== null) return Promise.resolve();
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.disconnect();
  return exited;
}

/** One for each key, as a management key that may verify sends it. */
export async function requestsOf({ engines }: ScratchHouse): Promise<Buffer[]> {
  const input = issueKeySchema.parse({ use: 'management', permissions: ['keys:verify'] });
  const caller = await issueKey(engines.keyDeps, commandOf('caller'), GRANTOR, input);
  if (caller.kind === 'rejected') throw new Error(caller.rejection.detail);
  const headers = { authorization: `Bearer ${caller.secret!.reveal()}` };
  const secrets = await issueKeys(engines, KEYS);
  return secrets.map((key) =>
    requestBytes('/v1/keys/verify', headers, JSON.stringify({ key, limits: [{ name: 'burst' }] })),
  );
}

/** The k-th key as often as 1/k says; drawn beforehand, for drawing is not what is measured. */
export function zipfDraws(requests: readonly Buffer[]): NextRequest {
  const random = seededRandom(11);
  const sums: number[] = [];
  let sum = 0;
  for (let k = 1; k <= requests.length; k++) {
    sum += 1 / k;
    sums.push(sum);
  }
  const draws = Array.from({ length: DRAWS }, () => {
    const point = (random.below(2 ** 32) / 2 ** 32) * sum;
    let low = 0;
    for (let high = sums.length - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if (sums[middle]! < point) low = middle + 1;
      else high = middle;
    }
    return requests[low]!;
  });
  let at = 0;
  return () => draws[at++ % DRAWS]!;
}

/** Every key answers VALID: the read model has caught up, and the cache is as warm as it gets. */
export async function untilReady(target: Target, requests: readonly Buffer[]): Promise<void> {
  const url = `http://${target.host}:${target.port}/v1/keys/verify`;
  const untilMs = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const [head, body] = requests.at(-1)!.toString().split('\r\n\r\n');
    const authorization = /authorization: (.*)/.exec(head!)![1]!;
    const answer = await fetch(url, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: body!,
    });
    const { code } = (await answer.json()) as { code: string };
    if (code === 'VALID') break;
    if (performance.now() > untilMs) throw new Error(`verify answers ${answer.status} ${code}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  for (let at = 0; at < requests.length; ) {
    await fullLoad(target, ROUND_MS, () => requests[at++ % requests.length]!);
  }
}

export async function fullLoad(
  target: Target,
  ms: number,
  next: NextRequest,
  good?: GoodStatus,
): Promise<number> {
  const load = await saturate(target, { connections: CONNECTIONS, ms, next, ...(good && { good }) });
  if (load.notOk > 0) throw new Error(`${load.notOk} of ${load.requests} answers were errors`);
  return load.perSecond;
}

async function p99At(target: Target, perSecond: number, next: NextRequest): Promise<number> {
  const load = await arrive(target, { connections: CONNECTIONS, ms: ROUND_MS, perSecond, next });
  if (load.notOk > 0) throw new Error(`${load.notOk} of ${load.requests} answers were errors`);
  return quantile(load.latencies, 0.99);
}
