/** The place of one process of a cluster: what is killed there is started anew, with the same settings. */

import { type Ended, launchRole, type PlatformProcess, type RoleName } from '../support/platform-process.ts';
import type { Cleanup } from '../support/postgres.ts';

const PROBE_TIMEOUT_MS = 8_000;
const MAX_SAID_CHARS = 3_000;

export interface Probe {
  /** Null: no answer. */
  readonly ready: boolean | null;
  /** Why it is not, by the name of the check. */
  readonly reasons: Readonly<Record<string, string>>;
}

export interface Slot {
  readonly role: RoleName;
  readonly url: string;
  /** Kills what runs here and starts it anew at once. */
  killAnew(): Promise<void>;
  /** What it said last of a component or a projection: its state, or null. */
  state(name: string): string | null;
  started(): boolean;
  /** What `/readyz` answers. */
  probe(): Promise<Probe>;
  /** Its end, where nobody asked for it. */
  ownEnd(): string | null;
  /** The end of what it has said. */
  said(): string;
  stop(): Promise<Ended>;
  kill(): Promise<void>;
}

export function slot(role: RoleName, port: number, env: Readonly<Record<string, string>>): Slot {
  let running: PlatformProcess;
  let ownEnd: string | null = null;
  let asked = false;
  const undo: (() => unknown)[] = [];
  const cleanup: Cleanup = { after: (fn) => void undo.push(fn) };
  const url = `http://127.0.0.1:${port}`;

  const launch = (): void => {
    undo.length = 0;
    asked = false;
    const process = launchRole(cleanup, role, { env });
    running = process;
    void process.ended.then(({ code, signal, stderr, stdout }) => {
      if (running !== process || asked) return;
      ownEnd = `${role} ended by itself (${code ?? signal}): ${stderr}${stdout.slice(-MAX_SAID_CHARS)}`;
    });
  };
  const kill = async (): Promise<void> => {
    asked = true;
    running.kill('SIGKILL');
    await running.ended;
  };
  launch();
  return {
    role,
    url,
    async killAnew() {
      await kill();
      launch();
    },
    state(name) {
      const text = running.stdout();
      const at = Math.max(
        text.lastIndexOf(`"component":"${name}","state"`),
        text.lastIndexOf(`"projection":"${name}","state"`),
      );
      return at < 0 ? null : (/"state":"([a-z_]+)"/.exec(text.slice(at, at + 200))?.[1] ?? null);
    },
    started: () => running.stdout().includes('"message":"started"'),
    async probe() {
      try {
        const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
        const body = (await response.json()) as Record<string, unknown>;
        return { ready: response.ok, reasons: reasonsOf(body) };
      } catch {
        return { ready: null, reasons: {} };
      }
    },
    ownEnd: () => ownEnd,
    said() {
      const lines = `${running.stderr()}${running.stdout()}`.split('\n');
      return lines
        .filter((line) => !/"route":|AddPartitionsToTxn|Failed to send messages/.test(line))
        .join('\n')
        .slice(-MAX_SAID_CHARS);
    },
    stop() {
      asked = true;
      return running.stop();
    },
    kill,
  };
}

function reasonsOf(body: Record<string, unknown>): Record<string, string> {
  const checks = (body.checks ?? {}) as Record<string, { ok: boolean; detail: string | null }>;
  return Object.fromEntries(
    Object.entries(checks).flatMap(([name, { ok, detail }]) => (ok ? [] : [[name, detail ?? '']])),
  );
}
