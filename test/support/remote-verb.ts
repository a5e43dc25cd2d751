/** A verb of the command line, in a process of its own that calls an API over HTTP. */
import { spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import type { RunningApp } from './running-app.ts';

const program = new URL('../../bin/plinth.ts', import.meta.url).pathname;
const MAX_VERB_MS = 120_000;

export interface VerbResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface VerbOptions {
  /** What it reads from standard input. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function remoteVerb(
  { app, admin }: Pick<RunningApp, 'app' | 'admin'>,
  args: readonly string[],
  { input = '', env: more = {} }: VerbOptions = {},
): Promise<VerbResult> {
  const { port } = app.server.address() as AddressInfo;
  const env = {
    ...process.env,
    PLINTH_URL: `http://127.0.0.1:${port}`,
    PLINTH_KEY: admin.secret,
    ...more,
  };
  const child = spawn(process.execPath, [program, ...args], { env, timeout: MAX_VERB_MS });
  child.stdin.end(input);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
