/** HTTP as bytes on a socket, for requests that no client would send. */
import { connect } from 'node:net';

const MAX_WAIT_MS = 10_000;

/**
 * Sends the bytes and answers everything that came back until the server closed, or until `enough` is
 * content with it. Rejects when neither happens in time: the server hangs.
 */
export function rawHttp(
  port: number,
  bytes: string | Uint8Array,
  enough: (answer: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let answer = '';
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end of the answer in ${MAX_WAIT_MS} ms; so far: ${answer.slice(0, 200)}`));
    }, MAX_WAIT_MS);
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (chunk) => {
      answer += chunk.toString('utf8');
      if (enough(answer)) finish();
    });
    socket.on('error', finish);
    socket.on('close', finish);
  });
}

export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}

/** The JSON body of the first of raw answers; undefined when there is none. */
export function bodyOf(answer: string): Record<string, unknown> | undefined {
  const at = answer.indexOf('\r\n\r\n');
  // What follows on a broken request may be refused in the same breath.
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.slice(0, at))?.[1];
  const body = Buffer.from(answer.slice(at + 4)).subarray(
    0,
    length === undefined ? undefined : Number(length),
  );
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
