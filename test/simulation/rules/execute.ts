/**
 * Commands and their retries. Clients send commands through processes that crash, lose replies and race
 * each other; each client retries with its command id until it has an answer. Some machines keep the states
 * that they have folded (`HotFolds`), also when the log has lost its tail while nothing was under way.
 */
import assert from 'node:assert/strict';
import type { Decider } from '../../../commands/decider.ts';
import type { EventLog } from '../../../commands/event-log.ts';
import { type CommandContext, execute, type Outcome } from '../../../commands/execute.ts';
import { HotFolds } from '../../../commands/hot-folds.ts';
import { uuidv5 } from '../../../commands/ids.ts';
import { type CommandId, streamId, type TenantId } from '../../../schemas/envelope.ts';
import { type MemoryEventLog, memoryEventLog } from '../../engines/memory-event-log.ts';
import { type ExecuteGuards, executeTwins } from '../execute-twins.ts';
import { decodePlain, plainCodec } from '../plain-codec.ts';
import { defineRule } from '../rule.ts';
import type { Process, Scheduler } from '../scheduler.ts';

/** A box is made once with a secret only its maker is told, and counts what is put in. */
interface Box {
  readonly digest: string | null;
  readonly sum: number;
  readonly items: number;
}
type BoxCommand = { readonly make: string } | { readonly put: number };
type BoxEvent =
  | { readonly type: 'box.made'; readonly data: { readonly digest: string } }
  | { readonly type: 'box.filled'; readonly data: { readonly amount: number; readonly before: number } };

const boxDecider: Decider<Box, BoxCommand, BoxEvent> = {
  initial: { digest: null, sum: 0, items: 0 },
  evolve(state, event) {
    if (event.type === 'box.made') return { ...state, digest: event.data.digest };
    return { ...state, sum: state.sum + event.data.amount, items: state.items + 1 };
  },
  decide(command, state) {
    if ('make' in command) {
      if (state.digest !== null) return { reject: { code: 'already_exists', detail: 'made before' } };
      return { accept: [{ type: 'box.made', data: { digest: command.make } }] };
    }
    const fill = { type: 'box.filled', data: { amount: command.put, before: state.sum } } as const;
    return {
      accept:
        command.put % 2 === 0
          ? [fill]
          : [fill, { ...fill, data: { amount: 1, before: state.sum + command.put } }],
    };
  },
};

const stream = streamId('box', 'b1');

interface Told {
  readonly command: BoxCommand;
  readonly commandId: CommandId;
  readonly outcome: Outcome<Box>;
}

async function play(scheduler: Scheduler, guards: ExecuteGuards): Promise<void> {
  const log = memoryEventLog({ clock: scheduler.clock });
  const commands = Array.from({ length: 2 + scheduler.below(3) }, (_, i) => ({
    commandId: uuidv5('box', String(scheduler.seed), String(i)) as CommandId,
    makes: i === 0 || scheduler.chance(0.2),
    put: scheduler.below(5),
  }));
  const machines = [new HotFolds(), new HotFolds(), null];

  for (const act of ['before', 'after']) {
    const told: Told[] = [];
    // Each command goes out once or twice: an impatient client sends a second time before it has an answer.
    const sends = commands.flatMap((command) => (scheduler.chance(0.5) ? [command, command] : [command]));
    await Promise.all(
      sends.map(async (sent, index) => {
        for (let life = 0; life < 12; life++) {
          const process = scheduler.process(`${act}${index}.${life}`, scheduler.below(2001) - 1000);
          const secret = `secret-${index}-${life}`;
          const command: BoxCommand = sent.makes ? { make: secret } : { put: sent.put };
          const kept = scheduler.pick(machines);
          const answer = await orDeath(scheduler, process, () =>
            attempt(process, log, guards, command, sent.commandId, kept, scheduler),
          );
          if (answer === 'died' || answer === 'failed') continue;
          told.push({ command, commandId: sent.commandId, outcome: answer });
          return;
        }
        throw new Error('a command found no answer in 12 lives');
      }),
    );
    await check(log, told);
    log.truncateTail(scheduler.below(log.events.length + 1));
    // What is sent again may have been done; some is new, so that other events take the place of the lost.
    for (const command of commands) {
      if (scheduler.chance(0.5)) command.commandId = uuidv5('again', command.commandId) as CommandId;
    }
  }
}

async function attempt(
  process: Process,
  log: MemoryEventLog,
  guards: ExecuteGuards,
  command: BoxCommand,
  commandId: CommandId,
  kept: HotFolds | null,
  scheduler: Scheduler,
): Promise<Outcome<Box> | 'failed'> {
  const context: CommandContext = {
    commandId,
    tenant: 'tnt_1' as TenantId,
    actor: 'key_1',
    requestDigest: 'make' in command ? 'make' : `put ${command.put}`,
    correlationId: commandId,
    causationId: null,
    traceparent: null,
  };
  const lossy = losesReplies(log, scheduler);
  const deps = {
    log: guards.log(process.wrap(lossy, 'log'), kept),
    codec: guards.codec(plainCodec, process),
    clock: process.clock,
    random: process.random,
  };
  const run = { decider: boxDecider, stream, context, command: () => command, creates: 'make' in command };
  try {
    return await execute(deps, kept === null ? run : { ...run, hot: kept });
  } catch (error) {
    if ((error as Error).message === 'reply lost') return 'failed';
    throw error;
  }
}

/** The effect happens, the reply does not arrive. */
function losesReplies(log: EventLog, scheduler: Scheduler): EventLog {
  return Object.assign(Object.create(log) as EventLog, {
    async append(...args: Parameters<EventLog['append']>) {
      const before = scheduler.chance(0.05);
      if (before) throw new Error('reply lost');
      const answer = await log.append(...args);
      if (scheduler.chance(0.15)) throw new Error('reply lost');
      return answer;
    },
    readStream: (...args: Parameters<EventLog['readStream']>) => log.readStream(...args),
  });
}

async function orDeath<T>(
  scheduler: Scheduler,
  process: Process,
  work: () => Promise<T>,
): Promise<T | 'died'> {
  const dies = scheduler.chance(0.25);
  const running = process.run(work);
  if (!dies) return running;
  const death = (async () => {
    for (let steps = scheduler.below(8); steps > 0; steps--) await scheduler.turn('fate');
    return 'died' as const;
  })();
  running.catch(() => undefined);
  const first = await Promise.race([running, death]);
  if (first === 'died') process.kill();
  return first;
}

async function check(log: MemoryEventLog, told: readonly Told[]): Promise<void> {
  const events = (await log.readStream(stream)).map(decodePlain);
  // Exactly once: the events of a command stand together, and no command stands twice.
  const runs = events.map((e) => e.metadata.commandId).filter((id, i, all) => id !== all[i - 1]);
  assert.equal(new Set(runs).size, runs.length, `a command was done twice: ${runs.join(', ')}`);

  let sum = 0;
  let lastMs = 0;
  for (const event of events) {
    assert.ok(event.timeMs >= lastMs, 'time ran backwards in a stream');
    lastMs = event.timeMs;
    if (event.type !== 'box.filled') continue;
    const data = event.data as { amount: number; before: number };
    assert.equal(data.before, sum, 'a decision was appended to a state it had not seen');
    sum += data.amount;
  }

  for (const { command, commandId, outcome } of told) {
    const own = events.filter((e) => e.metadata.commandId === commandId);
    if (outcome.kind === 'rejected') {
      assert.notEqual(outcome.rejection.code, 'idempotency_mismatch');
      assert.equal(own.length, 0, 'a command was told "rejected" and stands in the log');
      continue;
    }
    assert.equal(own.length > 0, true, 'a command was told "accepted" and is not in the log');
    assert.equal(outcome.version, own.at(-1)!.version);
    const state = events
      .filter((e) => e.version <= outcome.version)
      .reduce((s, e) => boxDecider.evolve(s, e as never), boxDecider.initial);
    assert.deepEqual(outcome.state, state, 'the answer is not what the command left');
    if ('make' in command && !outcome.replayed) {
      assert.equal(
        (own[0]!.data as { digest: string }).digest,
        command.make,
        'a client holds a secret that never verifies',
      );
    }
  }
}

const guards: ExecuteGuards = { log: (log) => log, codec: (codec) => codec };

export const executeRule = defineRule<ExecuteGuards>({
  name: 'execute',
  says: 'an acknowledged command stands in its stream exactly once, and a retry gets the original answer',
  guards,
  play,
  twins: executeTwins,
});
