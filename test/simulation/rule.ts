/** A rule of the kernel as a game: what is done to it, what must hold, and what must break it. */
import { Scheduler } from './scheduler.ts';

export interface Rule<Guards extends object> {
  readonly name: string;
  /** What the rule promises, in one sentence. */
  readonly says: string;
  /** The product's own functions that keep the promise. */
  readonly guards: Guards;
  /** Plays one schedule; throws when the promise is broken. */
  play(scheduler: Scheduler, guards: Guards): Promise<void>;
  /** Each takes one safeguard out; the simulation must notice. */
  readonly twins: readonly Twin<Guards>[];
}

export interface Twin<Guards extends object> {
  readonly name: string;
  /** The schedule that it lets happen. */
  readonly breaks: string;
  readonly guards: Partial<Guards>;
}

// biome-ignore lint/suspicious/noExplicitAny: rules of different guards stand in one list.
export type AnyRule = Rule<any>;

export function defineRule<Guards extends object>(rule: Rule<Guards>): AnyRule {
  return rule;
}

export interface Failure {
  readonly seed: number;
  readonly error: Error;
  readonly trace: readonly string[];
}

/** Plays schedules `seed`, `seed + 1`, … and answers the first that breaks the rule. */
export async function playSchedules(
  rule: AnyRule,
  guards: object,
  seed: number,
  schedules: number,
): Promise<{ readonly played: number; readonly failure: Failure | null }> {
  for (let i = 0; i < schedules; i++) {
    const scheduler = new Scheduler(seed + i);
    try {
      await scheduler.drive(rule.play(scheduler, guards));
    } catch (error) {
      return { played: i + 1, failure: { seed: seed + i, error: error as Error, trace: scheduler.trace } };
    }
  }
  return { played: schedules, failure: null };
}
