/** What the log says of what follows from events: each change once. */
import type { Clock } from '../../commands/clock.ts';
import type { ReactorHealth } from '../../commands/reactor.ts';
import type { Log } from '../telemetry/log.ts';
import { tidings } from './tidings.ts';

export interface ReactorTeller {
  changed(health: ReactorHealth): void;
  /** Why it waits for an operator, by its name; nothing where it does not. */
  halted(): Readonly<Record<string, string>>;
  stop(): void;
}

export function tellReactor(log: Log, clock: Clock, component: string): ReactorTeller {
  const news = tidings(clock, 'running');
  let last: ReactorHealth | null = null;
  return {
    halted: (): Readonly<Record<string, string>> =>
      last?.state === 'halted' ? { [component]: last.problem } : {},
    changed(health) {
      last = health;
      const { state } = health;
      if (state === 'running') {
        news.lasting(state, () => log.info({ component, state }, `${component}: it goes on again`));
      } else if (state === 'stopped') news.stop();
      else {
        const { problem } = health;
        const fields = { component, state, problem };
        news.now(`${state} ${problem}`, () => {
          if (state === 'halted') log.error(fields, `${component}: ${HALTED}`);
          else if (state === 'paused')
            log.warn(fields, `${component}: nothing is carried out until this process is upgraded`);
          else log.warn(fields, `${component}: it cannot go on now; it is tried again`);
        });
      }
    },
    stop: news.stop,
  };
}

const HALTED =
  'nothing is carried out until an operator does what `problem` says; nothing is lost, and it goes on by itself then';
