/** The role that keeps read models up to date: one runner a projection, each active or standing by. */
import { projectionCatalogue } from '../../projections/catalogue.ts';
import { dropAbandonedRevisions } from '../../projections/drop-abandoned.ts';
import { type ProjectionRunner, projectionRunner, type RunnerHealth } from '../../projections/runner.ts';
import type { Log } from '../telemetry/log.ts';
import type { Engines } from './engines.ts';

export interface Projector {
  health(): readonly RunnerHealth[];
  stop(): Promise<void>;
}

export function startProjector(engines: Engines, log: Log): Projector {
  const { store, codec, clock, holder } = engines;
  const stop = new AbortController();
  const runners: ProjectionRunner[] = projectionCatalogue.map((projection) =>
    projectionRunner(
      { projection, store, log: engines.log, decoder: codec, clock, feed: engines.kafka?.feed ?? null },
      { holder, changed: (health) => tell(log, health) },
    ),
  );
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
    },
  };
}

function tell(log: Log, { projection, state, problem, position, revision }: RunnerHealth): void {
  const fields = { component: 'projector', projection, state, problem, position, revision };
  if (state === 'halted') log.error(fields, 'a projection waits for an operator');
  else if (state === 'paused' || state === 'retrying') log.warn(fields, 'a projection cannot go on now');
  else if (state === 'catching_up' && problem) log.warn(fields, 'a projection waits for the relay');
  else if (state === 'standby' && problem) log.warn(fields, 'a projection is left to other processes');
  else log.debug(fields, 'a projection changed its state');
}
