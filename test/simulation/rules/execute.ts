/**
 * Commands and their retries. Clients send commands through processes that crash, lose replies and race
 * each other; each client retries with its command id until it has an answer.
 */
import assert from 'node:assert/strict';
import type { Codec } from '../../../commands/codec.ts';
import type { Decider } from '../../../commands/decider.ts';
import type { EventLog } from '../../../commands/event-log.ts';
import { type CommandContext, execute, type Outcome } from '../../../commands/execute.ts';
import { uuidv5 } from '../../../commands/ids.ts';
import { type CommandId, type EventId, streamId, type TenantId } from '../../../schemas/envelope.ts';
import { type MemoryEventLog, memoryEventLog } from '../../engines/memory-event-log.ts';
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

interface Guards {
  /** What stands between execute and the log. */
  log(log: EventLog): EventLog;
  codec(codec: Codec, process: Process): Codec;
}

const stream = streamId('box', 'b1');

interface Told {
  readonly command: BoxCommand;
  readonly commandId: CommandId;
  readonly outcome: Outcome<Box>;
}

async function play(scheduler: Scheduler, guards: Guards): Promise<void> {
  const log = memoryEventLog({ clock: scheduler.clock });
  const told: Told[] = [];
  const commands = Array.from({ length: 2 + scheduler.below(3) }, (_, i) => ({
    commandId: uuidv5('box', String(scheduler.seed), String(i)) as CommandId,
    makes: i === 0 || scheduler.chance(0.2),
    put: scheduler.below(5),
  }));

  // Each command goes out once or twice: an impatient client sends a second time before it has an answer.
  const sends = commands.flatMap((command) => (scheduler.chance(0.5) ? [command, command] : [command]));
  await Promise.all(
    sends.map(async (sent, index) => {
      for (let life = 0; life < 12; life++) {
        const process = scheduler.process(`p${index}.${life}`, scheduler.below(2001) - 1000);
        const secret = `secret-${index}-${life}`;
        const command: BoxCommand = sent.makes ? { make: secret } : { put: sent.put };
        const answer = await orDeath(scheduler, process, () =>
          attempt(process, log, guards, command, sent.commandId, scheduler),
        );
        if (answer === 'died' || answer === 'failed') continue;
        told.push({ command, commandId: sent.commandId, outcome: answer });
        return;
      }
      throw new Error('a command found no answer in 12 lives');
    }),
  );
  await check(log, told);
}

async function attempt(
  process: Process,
  log: MemoryEventLog,
  guards: Guards,
  command: BoxCommand,
  commandId: CommandId,
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
  try {
    return await execute(
      {
        log: guards.log(process.wrap(lossy, 'log')),
        codec: guards.codec(plainCodec, process),
        clock: process.clock,
        random: process.random,
      },
      { decider: boxDecider, stream, context, command: () => command, creates: 'make' in command },
    );
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

const guards: Guards = { log: (log) => log, codec: (codec) => codec };

export const executeRule = defineRule<Guards>({
  name: 'execute',
  says: 'an acknowledged command stands in its stream exactly once, and a retry gets the original answer',
  guards,
  play,
  twins: [
    {
      name: 'event ids without the leaf nonce',
      breaks: 'two racing duplicates are both told "created", one holding a secret that never verifies',
      guards: {
        codec: (codec) => ({
          ...codec,
          encode: (events) =>
            codec.encode(
              events.map((event, i) => ({
                ...event,
                id: uuidv5(event.metadata.commandId, String(i)) as EventId,
              })),
            ),
        }),
      },
    },
    {
      name: 'a handled command is not recognised',
      breaks: 'a retry after a lost reply does it again',
      guards: {
        codec: (codec, process) => ({
          ...codec,
          decode: async (events) =>
            (await codec.decode(events)).map((e) => ({
              ...e,
              metadata: { ...e.metadata, commandId: uuidv5(process.name, e.id) },
            })),
        }),
      },
    },
    {
      name: 'appends demand no version',
      breaks: 'a decision lands on a state that it has not seen',
      guards: {
        log: (log) =>
          Object.assign(Object.create(log) as EventLog, {
            append: (
              s: Parameters<EventLog['append']>[0],
              _: unknown,
              events: Parameters<EventLog['append']>[2],
            ) => log.append(s, 'any', events),
            readStream: (...args: Parameters<EventLog['readStream']>) => log.readStream(...args),
          }),
      },
    },
    {
      name: 'time as the clock of the process says',
      breaks: 'time runs backwards in a stream when clocks differ',
      guards: {
        codec: (codec, process) => ({
          ...codec,
          encode: (events) =>
            codec.encode(events.map((event) => ({ ...event, timeMs: process.clock.now() }))),
        }),
      },
    },
    {
      name: 'the fold misses the newest event',
      breaks: 'a stale read is decided upon',
      guards: {
        log: (log) =>
          Object.assign(Object.create(log) as EventLog, {
            append: async (
              s: Parameters<EventLog['append']>[0],
              expected: number,
              events: Parameters<EventLog['append']>[2],
            ) => {
              const answer = await log.append(s, expected, events);
              return answer.ok ? answer : log.append(s, answer.actual, events);
            },
            readStream: (...args: Parameters<EventLog['readStream']>) => log.readStream(...args),
          }),
      },
    },
  ],
});
