/** The role that keeps read models up to date: one runner a projection, each active or standing by. */
import { projectionCatalogue } from '../../projections/catalogue.ts';
import { dropAbandonedRevisions } from '../../projections/drop-abandoned.ts';
import { type ProjectionRunner, projectionRunner, type RunnerHealth } from '../../projections/runner.ts';
import type { Log } from '../telemetry/log.ts';
import type { Engines } from './engines.ts';
import { problemOf } from './problem-of.ts';
import { type ProjectionTeller, tellProjection } from './tell-projection.ts';

export interface Projector {
  health(): readonly RunnerHealth[];
  stop(): Promise<void>;
}

export function startProjector(
  engines: Engines,
  log: Log,
  kafkaAnswers: () => boolean = () => true,
): Projector {
  const { store, codec, clock, holder } = engines;
  const stop = new AbortController();
  const tellers: ProjectionTeller[] = [];
  const runners = projectionCatalogue.map((projection): ProjectionRunner => {
    const teller = tellProjection(log, clock, { health: () => runner.health(), kafkaAnswers });
    tellers.push(teller);
    const runner: ProjectionRunner = projectionRunner(
      { projection, store, log: engines.log, decoder: codec, clock, feed: engines.kafka?.feed ?? null },
      { holder, changed: teller.changed, problemOf: problemOf(engines.settings) },
    );
    return runner;
  });
  const running = runners.map((runner) => runner.run(stop.signal));
  const dropping = dropAbandonedRevisions(
    { store, clock },
    {
      signal: stop.signal,
      failed: (error) =>
        log.warn({ component: 'projector', err: error }, 'abandoned tables could not be dropped'),
    },
  );
  return {
    health: () => runners.map((runner) => runner.health()),
    async stop() {
      stop.abort();
      await Promise.all([...running, dropping]);
      for (const teller of tellers) teller.stop();
    },
  };
}
