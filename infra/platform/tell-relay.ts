/** What the log says of the relay: each change once. */
import type { Clock } from '../../commands/clock.ts';
import type { RelayHealth } from '../../workers/relay.ts';
import type { Log } from '../telemetry/log.ts';
import { TRY_MS, tidings } from './tidings.ts';

export interface RelayTeller {
  changed(health: RelayHealth): void;
  began(generation: number): void;
  stop(): void;
}

export function tellRelay(log: Log, clock: Clock, kafkaAnswers: () => boolean): RelayTeller {
  const news = tidings(clock, 'starting');
  let last: 'starting' | 'standby' | 'trouble' | 'works' = 'starting';
  return {
    changed({ state, problem, position, generation }) {
      const fields = { component: 'relay', state, problem, position, revision: generation };
      const trouble = (say: () => void) =>
        news.now(`${state} ${problem}`, () => {
          last = 'trouble';
          say();
        });
      log.debug(fields, 'the relay changed its state');
      if (state === 'halted') trouble(() => log.error(fields, 'the relay waits for an operator'));
      else if (state === 'retrying') {
        trouble(() => log.warn(fields, 'the relay cannot go on now; it tries again'));
      } else if (state === 'live' || state === 'catching_up') {
        news.lasting('works', () => {
          log.info(fields, WORKS[last]);
          last = 'works';
        });
      } else if (state === 'standby') {
        const say = () => {
          log.info(fields, 'another relay works; this one stands by');
          last = 'standby';
        };
        news.lasting('standby', say, (ms) => last !== 'trouble' || (ms >= TRY_MS && kafkaAnswers()));
      } else news.stop();
    },
    began(generation) {
      log.warn(
        { component: 'relay', revision: generation },
        `no topics of ours hold anything: the relay begins generation ${generation} at the start of the log; consumers that keep offsets of their own start anew`,
      );
    },
    stop: news.stop,
  };
}

const WORKS = {
  starting: 'the relay carries the log to Kafka',
  standby: 'the relay has taken over: it carries the log to Kafka',
  trouble: 'the relay goes on again',
  works: 'the relay carries the log to Kafka',
} as const;
