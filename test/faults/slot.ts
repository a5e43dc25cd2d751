/** The place of one process of a cluster: what is killed there is started anew, with the same settings. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { within } from '../crash/within.ts';
import {
  type Ended,
  launchRole,
  type PlatformProcess,
  type RoleName,
  until,
} from '../support/platform-process.ts';
import type { Cleanup } from '../support/postgres.ts';
import type { KillPoint } from './kill-points.ts';

const PRELOAD = new URL('./kill-preload.ts', import.meta.url).href;
const PROBE_TIMEOUT_MS = 8_000;
/** One that has not got to the point where it is to die by then dies where it is. */
const DIES_WITHIN_MS = 20_000;
const MAX_SAID_CHARS = 3_000;

export interface Probe {
  /** Null: no answer. */
  readonly ready: boolean | null;
  /** Why it is not, by the name of the check. */
  readonly reasons: Readonly<Record<string, string>>;
}

/** `there`: where it was to. `late`: it did not get there, and was killed. `stopped`: it ended in order. */
export type Death = 'there' | 'late' | 'stopped' | 'spared';

export interface Slot {
  readonly role: RoleName;
  readonly url: string;
  /** Kills what runs here and starts it anew at once; `meanwhile`: when this has ended. */
  killAnew(meanwhile?: () => Promise<unknown>): Promise<void>;
  /**
   * Lets what runs here die at the point, the nth time that it gets there (the first unless given), and
   * starts it anew. `stops`: it is told to stop, and dies on its way out.
   */
  dieAt(
    point: KillPoint,
    how?: { readonly nth?: number; readonly stops?: boolean; readonly withinMs?: number },
  ): Promise<Death>;
  /** Kills what runs here and lets the next die at the point; the one after that stays. */
  dieAnewAt(point: KillPoint): Promise<Death>;
  /** It need not die any more, and goes on. */
  spare(): void;
  /** What it said last of a component or a projection: its state, or null. */
  state(name: string): string | null;
  started(): boolean;
  /**
   * Counts what has run here; null while nothing does that has started, and while what runs is to die: then
   * it may answer, or not.
   */
  life(): number | null;
  /** What `/readyz` answers. */
  probe(): Promise<Probe>;
  /** The status that `/livez` answers, or null. */
  probeLife(): Promise<number | null>;
  /** Its end, where nobody asked for it. */
  ownEnd(): string | null;
  /** The end of what it has said. */
  said(): string;
  stop(): Promise<Ended>;
  kill(): Promise<void>;
}

/** `folder`: for what the process is told by a file. */
export function slot(
  role: RoleName,
  port: number,
  folder: string,
  env: Readonly<Record<string, string>>,
): Slot {
  const killFile = join(folder, `kill-${role}-${port}`);
  const lethal = {
    FAULT_KILL_FILE: killFile,
    NODE_OPTIONS: `--import=${PRELOAD}`,
  };
  let running: PlatformProcess;
  let spare: () => void = () => {};
  let ownEnd: string | null = null;
  let asked = false;
  let lives = 0;
  const undo: (() => unknown)[] = [];
  const cleanup: Cleanup = { after: (fn) => void undo.push(fn) };
  const url = `http://127.0.0.1:${port}`;

  const launch = (): void => {
    undo.length = 0;
    asked = false;
    lives += 1;
    const process = launchRole(cleanup, role, { env: { ...env, ...lethal } });
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
  const started = () => running.stdout().includes('"message":"started"');
  const aim = (point: KillPoint | null, nth = 1): void =>
    writeFileSync(killFile, point === null ? '' : `${point} ${nth}`);
  const death = async (withinMs: number, sparing: AbortSignal): Promise<Death> => {
    const process = running;
    const isSpared = new Promise<'spared'>((resolve) => {
      sparing.addEventListener('abort', () => resolve('spared'));
    });
    const late = () => 'late' as const;
    const end = await within(withinMs, '', Promise.race([process.ended, isSpared])).catch(late);
    aim(null);
    if (end === 'spared') {
      asked = false;
      process.kill('SIGUSR2');
      return 'spared';
    }
    if (end === 'late') await kill();
    launch();
    if (end === 'late') return 'late';
    return end.signal === 'SIGKILL' ? 'there' : 'stopped';
  };
  const ask = (path: string) => fetch(`${url}${path}`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
  aim(null);
  launch();
  return {
    role,
    url,
    async killAnew(meanwhile) {
      await kill();
      await meanwhile?.();
      launch();
    },
    async dieAt(point, { nth = 1, stops = false, withinMs = DIES_WITHIN_MS } = {}) {
      const sparing = new AbortController();
      spare = () => sparing.abort();
      // What has not started yet takes the signal for its end.
      await until(`${role} has started`, () => started() || sparing.signal.aborted);
      if (sparing.signal.aborted) return 'spared';
      asked = true;
      aim(point, nth);
      running.kill('SIGUSR2');
      if (stops) running.kill('SIGTERM');
      return death(withinMs, sparing.signal);
    },
    async dieAnewAt(point) {
      await kill();
      aim(point);
      launch();
      asked = true;
      return death(DIES_WITHIN_MS, new AbortController().signal);
    },
    spare: () => spare(),
    state(name) {
      const text = running.stdout();
      const at = Math.max(
        text.lastIndexOf(`"component":"${name}","state"`),
        text.lastIndexOf(`"projection":"${name}","state"`),
      );
      return at < 0 ? null : (/"state":"([a-z_]+)"/.exec(text.slice(at, at + 200))?.[1] ?? null);
    },
    started,
    life: () => (asked || !started() ? null : lives),
    async probe() {
      try {
        const response = await ask('/readyz');
        const body = (await response.json()) as Record<string, unknown>;
        return { ready: response.ok, reasons: reasonsOf(body) };
      } catch {
        return { ready: null, reasons: {} };
      }
    },
    async probeLife() {
      try {
        const response = await ask('/livez');
        await response.body?.cancel();
        return response.status;
      } catch {
        return null;
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
