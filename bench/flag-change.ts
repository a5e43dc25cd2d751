/**
 * From the answer to a command that changes a flag until clients with an open stream are told of it, at a
 * steady rate that does not wait for them. The server runs every role, as `plinth start` does; the readers of
 * the streams are a process of their own, and the commands come from this one.
 *
 * Changes are further apart than what the server tells together. What is held against the bar is the p99 over
 * all changes and streams, in milliseconds. The yardstick beside it is a process that answers and then writes
 * the same message to as many streams, without log, database or projection.
 */
import type { ChildProcess } from 'node:child_process';
import { EVALUATE, flagHouse, flagPath } from './flag-house.ts';
import { machineMs, readStreams, type StreamReaders } from './flag-streams.ts';
import { type Benchmark, interleave, quantile } from './harness.ts';
import { connectionPool, headerOf, requestBytes, type Target } from './http-load.ts';
import { scratchHouse } from './scratch-house.ts';
import { ended, startServer } from './verify.ts';
import { atSteadyRate } from './visible.ts';

const STREAMS = 1_000;
const FLAGS = 50;
const PER_SECOND = 5;
const ROUNDS = 4;
const ROUND_MS = 4_000;
const YARDSTICK_MS = 1_000;
const TOLD_WITHIN_MS = 5_000;

export const flagChangeBenchmark: Benchmark = {
  name: 'flag-change',
  unit: 'ms p99',
  bar: 150,
  passes: 'at most',
  held: 'value',
  says: `a command's answer to the notice of its change at ${STREAMS} open streams, at ${PER_SECOND} changes/s of one environment, beside a bare broadcast`,
  async measure() {
    const house = await scratchHouse();
    const undo: (() => Promise<unknown>)[] = [house.close];
    const start = async (kind: string): Promise<Target> => {
      const { child, target }: { child: ChildProcess; target: Target } = await startServer(house, kind);
      undo.push(() => ended(child));
      return target;
    };
    const read = async (target: Target, path: string) => {
      const readers = await readStreams(target, path, STREAMS);
      undo.push(readers.close);
      return readers;
    };
    try {
      const plinth = await start('plinth');
      const on = [{ edit: 'set_mode', mode: 'on' }] as const;
      const flags = Array.from({ length: FLAGS }, (_, n) => [`flag-${n}`, on] as const);
      const { admin, reader } = await flagHouse(house, plinth, 'flags-client', Object.fromEntries(flags));
      const product = changing(plinth, await read(plinth, await streamPath(plinth, reader)), (n) => {
        const mode = Math.floor(n / FLAGS) % 2 === 0 ? 'off' : 'on';
        const edits = [{ edit: 'set_mode', mode }];
        return requestBytes(`${flagPath(`flag-${n % FLAGS}`)}/changes`, admin, JSON.stringify({ edits }));
      });
      const broadcast = await start('broadcast');
      const bare = changing(broadcast, await read(broadcast, '/'), () => requestBytes('/', {}, '{}'));

      const rounds: Change[][] = [];
      const measured = await interleave({
        rounds: ROUNDS,
        subject: async () => {
          rounds.push(await product.round(ROUND_MS));
          return p99(rounds.at(-1)!);
        },
        yardstick: async () => p99(await bare.round(YARDSTICK_MS)),
      });
      // The first warms up.
      const changes = rounds.slice(1).flat();
      const value = p99(changes);
      const missed = changes.reduce((sum, { afterMs }) => sum + STREAMS - afterMs.length, 0);
      const all = changes.flatMap(({ afterMs }) => afterMs);
      const first = changes.map(({ afterMs }) => Math.min(...afterMs));
      const last = changes.map(({ afterMs }) => Math.max(...afterMs));
      return {
        value,
        yardstick: measured.yardstick,
        ratio: value / measured.yardstick,
        conditions: [
          {
            what: `all ${STREAMS} streams were told of all ${changes.length} changes within ${TOLD_WITHIN_MS} ms; ${missed} notices are missing`,
            holds: missed === 0,
          },
        ],
        notes: [
          `of ${all.length} notices: p50 ${quantile(all, 0.5).toFixed(1)} ms, p90 ${quantile(all, 0.9).toFixed(1)} ms`,
          `the first stream is told after ${quantile(first, 0.5).toFixed(1)} ms, the last one after ${quantile(last, 0.5).toFixed(1)} ms, half of the times`,
        ],
      };
    } finally {
      for (const end of undo.reverse()) await end();
    }
  },
};

/** Milliseconds from the command's answer, of each stream that was told. */
interface Change {
  readonly afterMs: readonly number[];
}

function p99(changes: readonly Change[]): number {
  return quantile(
    changes.flatMap(({ afterMs }) => afterMs),
    0.99,
  );
}

/** Of a key: one address for all that read with it. */
async function streamPath(target: Target, reader: Readonly<Record<string, string>>): Promise<string> {
  const connections = connectionPool(target);
  const { body } = await connections.exchange(requestBytes(EVALUATE, reader, '{}'));
  connections.close();
  const { eventStreams } = JSON.parse(String(body)) as {
    eventStreams: readonly { readonly endpoint: { readonly requestUri: string } }[];
  };
  return eventStreams[0]!.endpoint.requestUri;
}

function changing(target: Target, readers: StreamReaders, requestOf: (n: number) => Buffer) {
  let n = 0;
  const change = async (connections: ReturnType<typeof connectionPool>) => {
    const answer = await connections.exchange(requestOf(n++));
    const answeredMs = machineMs();
    if (answer.status !== 200) throw new Error(`change: ${answer.status} ${answer.body}`);
    return { answeredMs, position: Number(headerOf(answer, 'plinth-position')!.split('.').at(-1)) };
  };
  return {
    async round(ms: number): Promise<Change[]> {
      // Of this round alone: a server closes what is idle while the other one is measured.
      const connections = connectionPool(target);
      const changes = await atSteadyRate(() => change(connections), PER_SECOND, ms);
      connections.close();
      const through = Math.max(...changes.map(({ position }) => position));
      const told = await readers.told({ through, withinMs: TOLD_WITHIN_MS });
      return changes.map(({ position, answeredMs }) => ({
        afterMs: told.flatMap(({ positions, atMs }) => {
          const at = positions.findIndex((reached) => reached >= position);
          return at < 0 ? [] : [atMs[at]! - answeredMs];
        }),
      }));
    },
  };
}
