/** Readers of change streams, in a process of their own: what they do is not to slow the server or the clock. */
import { type ChildProcess, fork } from 'node:child_process';
import type { Target } from './http-load.ts';

/** Of every stream, what it was told in order: positions and when each had come, by `machineMs`. */
export type Told = readonly { readonly positions: readonly number[]; readonly atMs: readonly number[] }[];

/** What the readers are asked: what was told since the last time, once all streams are at `through`. */
export interface Ask {
  readonly through: number;
  readonly withinMs: number;
}

export interface StreamReaders {
  told(ask: Ask): Promise<Told>;
  close(): Promise<void>;
}

/** The same in all processes of a machine, unlike `performance.now()`. */
export const machineMs = () => Number(process.hrtime.bigint()) / 1e6;

/** Answers when all streams are open. */
export async function readStreams(target: Target, path: string, streams: number): Promise<StreamReaders> {
  const child = fork(
    new URL('flag-stream-readers.ts', import.meta.url),
    [target.host, String(target.port), path, String(streams)],
    // Structured clones: as JSON a round's numbers would hold both processes up.
    { serialization: 'advanced' },
  );
  await answerOf<'open'>(child);
  return {
    told(ask) {
      const answer = answerOf<Told>(child);
      child.send(ask);
      return answer;
    },
    async close() {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.disconnect();
      await exited;
    },
  };
}

function answerOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`the readers of streams ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message as T);
    });
  });
}
