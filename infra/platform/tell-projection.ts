/** What the log says of a projection: each change once. */
import type { Clock } from '../../commands/clock.ts';
import type { RunnerHealth } from '../../projections/runner.ts';
import type { Log } from '../telemetry/log.ts';
import { TRY_MS, tidings } from './tidings.ts';

export interface ProjectionTeller {
  changed(health: RunnerHealth): void;
  stop(): void;
}

/** @param health as it is now */
export function tellProjection(
  log: Log,
  clock: Clock,
  of: { health(): RunnerHealth; kafkaAnswers(): boolean },
): ProjectionTeller {
  const news = tidings(clock, 'starting');
  let last: 'starting' | 'standby' | 'trouble' | 'works' = 'starting';
  /** It is a member as soon as it looks, and may yet find that nothing answers. Some have no partition for good. */
  const isFed = (lastedMs: number) => {
    const { feed, partitions } = of.health();
    return feed === null || (partitions ?? 0) > 0 || (lastedMs >= TRY_MS && of.kafkaAnswers());
  };
  return {
    changed({ projection, state, problem, position, revision }) {
      const fields = { component: 'projector', projection, state, problem, position, revision };
      const trouble = (level: 'error' | 'warn', message: string) =>
        news.now(`${state} ${problem}`, () => {
          last = 'trouble';
          log[level](fields, message);
        });
      log.debug(fields, 'a projection changed its state');
      if (state === 'halted') trouble('error', 'a projection waits for an operator');
      else if (state === 'paused' || state === 'retrying') {
        trouble('warn', 'a projection cannot go on now; it tries again');
      } else if (state === 'catching_up' && problem) trouble('warn', 'a projection waits for the relay');
      else if (state === 'standby' && problem) trouble('warn', 'a projection is left to other processes');
      else if (state === 'live' || state === 'catching_up') {
        const say = () => {
          if (last !== 'starting') log.info(fields, WORKS[last]);
          last = 'works';
        };
        news.lasting('works', say, isFed);
      } else if (state === 'standby') {
        const say = () => {
          if (last !== 'starting') log.info(fields, 'another process works on the projection now');
          last = 'standby';
        };
        news.lasting('standby', say, (lastedMs) => last !== 'trouble' || lastedMs >= TRY_MS);
      } else if (state === 'stopped') news.stop();
    },
    stop: news.stop,
  };
}

const WORKS = {
  standby: 'a projection was taken over',
  trouble: 'a projection goes on again',
  works: 'a projection goes on again',
} as const;
