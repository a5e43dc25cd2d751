/**
 * Carries a plan out, one command after another. It stops at the first that fails: what comes later may rely
 * on it. What was done stays done, and a plan made anew has only the rest.
 */
import { createHash } from 'node:crypto';
import type { FlagsPlan, PlanStep } from '../../commands/flags/plan-flags.ts';
import { Failure, sentenceFor } from '../failure.ts';
import type { CurrentFlags } from './current-flags.ts';
import type { FlagsApi, InEnvironment } from './flags-api.ts';

interface Command {
  readonly what: string;
  run(): Promise<void>;
}

export interface ApplyOptions {
  readonly reason: string | null;
  /** Told before and after each command. */
  say(line: string): void;
}

/** Answers how many commands it took. Each is held against the revision that was planned on. */
export async function applyPlan(
  api: FlagsApi,
  current: CurrentFlags,
  plan: FlagsPlan,
  options: ApplyOptions,
): Promise<number> {
  const commands = [
    ...projectCommands(api, current, plan, options),
    ...plan.environments.flatMap(({ environment, steps }) =>
      environmentCommands(api, current, { project: plan.project, environment }, steps, options),
    ),
  ];
  for (const [i, { what, run }] of commands.entries()) {
    try {
      await run();
    } catch (error) {
      const why = sentenceFor(error);
      if (why === undefined) throw error;
      throw new Failure(
        `${what}: ${why} ${i} of ${commands.length} commands were carried out, and stay so; run it again for the rest.`,
        1,
        { cause: error },
      );
    }
    options.say(`${i + 1} of ${commands.length}  ${what}`);
  }
  return commands.length;
}

function projectCommands(
  api: FlagsApi,
  { project: { project, version }, flags }: CurrentFlags,
  { creations, details }: FlagsPlan,
  { say }: ApplyOptions,
): Command[] {
  return [
    ...creations.map((creation) => ({
      what: `create flag ${creation.flag}`,
      async run() {
        const idempotencyKey = keyOf(project, version, creation);
        const { environments } = await api.createFlag(project, creation, { idempotencyKey });
        for (const { environment, problem } of environments) {
          if (problem) say(`${creation.flag} is not in ${environment} yet: ${problem.detail}`);
        }
      },
    })),
    ...details.map(({ flag, changes }) => ({
      what: `describe flag ${flag}`,
      async run() {
        const ifVersion = flags.get(flag)!.revision;
        const idempotencyKey = keyOf(project, flag, ifVersion, changes);
        await api.updateFlag({ project }, flag, changes, { ifVersion, idempotencyKey });
      },
    })),
  ];
}

function environmentCommands(
  api: FlagsApi,
  current: CurrentFlags,
  at: InEnvironment,
  steps: readonly PlanStep[],
  { reason }: ApplyOptions,
): Command[] {
  const there = current.environments.get(at.environment)!;
  const { version } = current.project.environments.find(({ environment }) => environment === at.environment)!;
  const revisions = new Map([...there].map(([flag, { revision }]) => [flag, revision]));
  const act = async (flag: string, verb: 'changes' | 'archive', body: object) => {
    // One that was made just now is at its first.
    const ifVersion = revisions.get(flag) ?? 1;
    const idempotencyKey = keyOf(at, version, flag, verb, ifVersion, body);
    const { revision } = await api.act(at, flag, verb, body, { ifVersion, idempotencyKey });
    revisions.set(flag, revision);
  };
  const place = `in ${at.environment}`;
  const commandsOf = (step: PlanStep): Command[] => {
    switch (step.step) {
      case 'put-segment': {
        const { segment, when } = step;
        const body = { when, reason };
        const options = { idempotencyKey: keyOf(at, version, segment, body) };
        const run = async () => void (await api.putSegment(at, segment, body, options));
        return [{ what: `put segment ${segment} ${place}`, run }];
      }
      case 'edit-flag':
        return step.commands.map((edits) => ({
          what: `change flag ${step.flag} ${place}`,
          run: () => act(step.flag, 'changes', { edits, reason }),
        }));
      case 'archive-flag':
        return [
          { what: `archive flag ${step.flag} ${place}`, run: () => act(step.flag, 'archive', { reason }) },
        ];
      case 'remove-segment': {
        const { segment } = step;
        const options = { idempotencyKey: keyOf(at, version, segment, null) };
        const run = async () => void (await api.removeSegment(at, segment, reason, options));
        return [{ what: `remove segment ${segment} ${place}`, run }];
      }
    }
  };
  return steps.flatMap(commandsOf);
}

/** The same command on the same state is the same command: sent again, it is done once. */
function keyOf(...parts: readonly unknown[]): string {
  return `flags-apply-${createHash('sha256').update(JSON.stringify(parts)).digest('hex')}`;
}
