/** Reads an event stream as it comes, and shows what the server did to the connection. */
import { type Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';

export interface EventReader {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** All that came. */
  text(): string;
  /** The `data` of the messages that came, parsed. */
  messages(): readonly { readonly id: string | undefined; readonly data: Record<string, unknown> }[];
  /** Resolves with the text as soon as it fits; rejects when the stream ends without. */
  until(fits: (text: string) => boolean): Promise<string>;
  /** How it ended: `clean` by the server, `cut` in the middle, `never` in the time that a test waits. */
  readonly ended: Promise<'clean' | 'cut' | 'never'>;
  /** No more is read. */
  stall(): void;
  /** Goes away. */
  leave(): void;
}

const MAX_WAIT_MS = 20_000;

export async function readEvents(
  port: number,
  path: string,
  options: {
    readonly headers?: Readonly<Record<string, string>>;
    readonly agent?: Agent;
    readonly method?: string;
  } = {},
): Promise<EventReader> {
  const { headers = {}, agent = false, method = 'GET' } = options;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', path, method, headers, agent }, resolve);
    asked.once('error', reject);
    asked.end();
  });
  let text = '';
  const watchers = new Set<() => void>();
  const wake = () => {
    for (const watcher of watchers) watcher();
  };
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
    wake();
  });
  response.on('error', () => {});
  let over = false;
  const ended = new Promise<'clean' | 'cut' | 'never'>((resolve) => {
    setTimeout(() => resolve('never'), MAX_WAIT_MS).unref();
    response.once('close', () => {
      over = true;
      resolve(response.complete ? 'clean' : 'cut');
      wake();
    });
  });
  return {
    status: response.statusCode!,
    headers: response.headers,
    text: () => text,
    messages: () => messagesOf(text),
    until(fits) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => settle(() => reject(new Error(`never came: ${text}`))), MAX_WAIT_MS);
        const settle = (tell: () => void) => {
          clearTimeout(timer);
          watchers.delete(look);
          tell();
        };
        const look = () => {
          if (fits(text)) settle(() => resolve(text));
          else if (over) settle(() => reject(new Error(`ended with: ${text}`)));
        };
        watchers.add(look);
        look();
      });
    },
    ended,
    stall: () => response.pause(),
    leave: () => response.destroy(),
  };
}

function messagesOf(text: string) {
  return text.split('\n\n').flatMap((block) => {
    const fields = new Map(block.split('\n').map((line) => line.split(/: ?(.*)/s) as [string, string]));
    const data = fields.get('data');
    if (data === undefined || !text.includes(`${block}\n\n`)) return [];
    return [{ id: fields.get('id'), data: JSON.parse(data) as Record<string, unknown> }];
  });
}
