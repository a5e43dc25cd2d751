/** Whether what a role said of its health was so. Pure. */
import type { RoleName } from '../support/platform-process.ts';
import { TOLD_WITHIN_MS, type Told, type Truth } from './health-truth.ts';

export interface HealthAnswer {
  readonly role: RoleName;
  readonly startedMs: number;
  readonly answeredMs: number;
  /** Null: no answer. */
  readonly ready: boolean | null;
  /** Why not, by the name of the check. */
  readonly reasons: Readonly<Record<string, string>>;
  /** Status of `/livez`; null: no answer. */
  readonly live: number | null;
  /** Since when it has named Redis, answer by answer; null: it does not. */
  readonly redisSinceMs: number | null;
  /** Seen from outside, what roles like it do has not come further for a while. */
  readonly stoodStill: boolean;
}

/** What happens to the cluster. */
export interface Happening {
  readonly what: string;
  readonly truth: Truth;
  readonly fromMs: number;
  /** Null: it is not over, or not recovered from. */
  readonly toMs: number | null;
  /** Since when the engine has been away, up to the answer; null: it is not. */
  readonly awaySinceMs: number | null;
}

/** How long ago a look that is answered now may have begun. */
const LOOK_MS = 5_000;
const BRIEF_MS = 10_000;
const NOTHING: Told = { must: [], may: [], ready: true };

/** Answers what was not so; null: it was. */
export function judge(answer: HealthAnswer, happenings: readonly Happening[]): string | null {
  const { role, startedMs, ready, reasons, live } = answer;
  if (ready === null || live === null) return null;
  if (live !== 200) return `it lives, and /livez answers ${live}`;
  const names = Object.keys(reasons).map((name) => name.split(':')[0]!);
  if (!ready && names.length === 0) return 'it is not ready, and does not say why';
  const then = happenings.filter(({ toMs }) => toMs === null || toMs >= startedMs - LOOK_MS);
  const allowed = new Set(
    then.flatMap(({ truth }) => {
      const { must, may } = truth[role] ?? NOTHING;
      return [...must, ...may];
    }),
  );
  // Its commands may take 200 ms: where the machine is busy they are late, and it is told.
  const brief = answer.redisSinceMs !== null && answer.answeredMs - answer.redisSinceMs < BRIEF_MS;
  if (brief) allowed.add('redis');
  const follows = role === 'relay' ? ['relay'] : ['projection', 'relay'];
  if (answer.stoodStill) for (const name of follows) allowed.add(name);
  const untrue = names.find((name) => !allowed.has(name));
  if (untrue !== undefined) return `it names ${untrue}: ${JSON.stringify(reasons)}`;
  const now = then.at(-1);
  if (!now || now.awaySinceMs === null || startedMs - now.awaySinceMs < TOLD_WITHIN_MS) return null;
  return tells(answer, now.truth) ? null : `it says ready: ${ready} ${JSON.stringify(reasons)}`;
}

/** Whether it says all that it must while the engine is away. */
export function tells(
  { role, ready, reasons }: Pick<HealthAnswer, 'role' | 'ready' | 'reasons'>,
  truth: Truth,
): boolean {
  const told = truth[role] ?? NOTHING;
  return told.must.every((name) => name in reasons) && (told.must.length === 0 || ready === told.ready);
}

/** Nothing is the matter: also not with what it can do without. */
export function isContent({ ready, reasons }: Pick<HealthAnswer, 'ready' | 'reasons'>): boolean {
  return ready === true && Object.keys(reasons).length === 0;
}
