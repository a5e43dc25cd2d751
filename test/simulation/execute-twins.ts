/** What execute stands on between commands and the log, and what happens where a part of it is missing. */
import type { Codec } from '../../commands/codec.ts';
import type { EventLog } from '../../commands/event-log.ts';
import type { HotFolds } from '../../commands/hot-folds.ts';
import { uuidv5 } from '../../commands/ids.ts';
import type { EventId, Recorded } from '../../schemas/envelope.ts';
import type { Twin } from './rule.ts';
import type { Process } from './scheduler.ts';

export interface ExecuteGuards {
  /** What stands between execute and the log; null: the machine keeps no states. */
  log(log: EventLog, kept: HotFolds | null): EventLog;
  codec(codec: Codec, process: Process): Codec;
}

/** What each machine has read at each version, for the twin that does not look again. */
const read = new WeakMap<HotFolds, Map<number, Recorded>>();

export const executeTwins: readonly Twin<ExecuteGuards>[] = [
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
        encode: (events) => codec.encode(events.map((event) => ({ ...event, timeMs: process.clock.now() }))),
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
  {
    name: 'a kept state is not compared with the log',
    breaks: 'a log loses its tail, and a decision is made on what it had held',
    guards: {
      log(log, kept) {
        if (kept === null) return log;
        const known = read.get(kept) ?? new Map<number, Recorded>();
        read.set(kept, known);
        return Object.assign(Object.create(log) as EventLog, {
          append: (...args: Parameters<EventLog['append']>) => log.append(...args),
          async readStream(...[of, range]: Parameters<EventLog['readStream']>) {
            const events = await log.readStream(of, range);
            const believed = range?.after === undefined ? undefined : known.get(range.after + 1);
            const fresh = believed === undefined ? events : events.slice(1);
            for (const event of fresh) known.set(event.version, event);
            return believed === undefined ? fresh : [believed, ...fresh];
          },
        });
      },
    },
  },
];
