/** One life of the process that is killed. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { KillPoint } from './kill-points.ts';
import type { Answer, FromChild, Order, ToChild } from './messages.ts';
import type { Twin } from './twins.ts';

const START_WITHIN_MS = 60_000;
const MAX_SAID_CHARS = 4_000;

export interface Life {
  /** Of the database. */
  readonly url: string;
  readonly actor: string;
  /** The projector works; never, when the process ends before. */
  readonly live: Promise<void>;
  /** The process has ended and all that it said has been heard. */
  readonly gone: Promise<void>;
  isGone(): boolean;
  /** The last of what it wrote on standard error. */
  said(): string;
  order(attempt: number, order: Order, again: boolean): void;
  arm(point: KillPoint, nth: number, delayMs: number): void;
  stop(): void;
  kill(): void;
}

/** Answers when it takes orders; throws what it said when it ends before. */
export async function startLife(
  dataDir: string,
  twin: Twin,
  answered: (attempt: number, answer: Answer) => void,
): Promise<Life> {
  const { NODE_TEST_CONTEXT: _, NODE_V8_COVERAGE: __, ...env } = process.env;
  const child = fork(fileURLToPath(new URL('./child.ts', import.meta.url)), [dataDir, twin], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: { ...env, NODE_COMPILE_CACHE: `${dataDir}/compile-cache` },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let said = '';
  child.stderr!.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-MAX_SAID_CHARS);
  });
  const ended = Promise.withResolvers<void>();
  const heard = Promise.withResolvers<void>();
  const ready = Promise.withResolvers<{ url: string; actor: string }>();
  const live = Promise.withResolvers<void>();
  child.once('exit', () => ended.resolve());
  // Answers that were sent before the end are read first.
  child.once('disconnect', () => heard.resolve());
  child.on('error', () => undefined);
  let isGone = false;
  const gone = Promise.all([ended.promise, heard.promise]).then(() => {
    isGone = true;
    ready.reject(new Error(`the process ended before it was ready; it said: ${said}`));
  });
  child.on('message', (message: FromChild) => {
    if (message.kind === 'answer') answered(message.attempt, message.answer);
    else if (message.kind === 'ready') ready.resolve(message);
    else live.resolve();
  });
  const send = (message: ToChild) => {
    if (child.connected) child.send(message, () => undefined);
  };
  const late = setTimeout(() => {
    ready.reject(new Error(`the process was not ready in ${START_WITHIN_MS} ms; it said: ${said}`));
    child.kill('SIGKILL');
  }, START_WITHIN_MS);
  const { url, actor } = await ready.promise.finally(() => clearTimeout(late));
  return {
    url,
    actor,
    live: live.promise,
    gone,
    isGone: () => isGone,
    said: () => said,
    order: (attempt, order, again) => send({ kind: 'order', attempt, order, again }),
    arm: (point, nth, delayMs) => send({ kind: 'arm', point, nth, delayMs }),
    stop: () => send({ kind: 'stop' }),
    kill: () => child.kill('SIGKILL'),
  };
}
