/** What the log says of the scheduler: what it did, and each change once. */
import type { Clock } from '../../commands/clock.ts';
import type { SchedulerRound } from '../../workers/scheduler.ts';
import type { Log } from '../telemetry/log.ts';
import { tidings } from './tidings.ts';

export interface SchedulerTeller {
  ran(round: SchedulerRound): void;
  stop(): void;
}

export function tellScheduler(log: Log, clock: Clock): SchedulerTeller {
  const component = 'scheduler';
  const news = tidings(clock, 'done');
  return {
    ran({ expired, problem }) {
      if (expired > 0) log.info({ component, count: expired }, 'keys have expired');
      if (problem === null) news.lasting('done', () => log.info({ component }, 'what is due is done again'));
      else {
        news.now(problem, () =>
          log.warn({ component, problem }, 'what is due could not be done; it is tried again'),
        );
      }
    },
    stop: news.stop,
  };
}
