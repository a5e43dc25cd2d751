/**
 * The contract of the projection store, and of the runner over it. An adapter inherits it in a few lines:
 *
 *     projectionStoreContract('projections in X', { open: …, create: …, rows: …, decodeRow: … });
 */
import { describe } from 'node:test';
import { fedRunnerContract } from './projection-feed.ts';
import { historyContract } from './projection-history.ts';
import { runnerContract } from './projection-runner.ts';
import { checkpointContract } from './projection-store-checkpoints.ts';
import type { ProjectionStoreEngine } from './projection-store-fixtures.ts';
import { placesContract } from './projection-store-places.ts';
import { wayBackContract } from './projection-way-back.ts';

export function projectionStoreContract<T>(name: string, engine: ProjectionStoreEngine<T>): void {
  describe(name, () => {
    checkpointContract(engine);
    placesContract(engine);
    runnerContract(engine);
    historyContract(engine);
    fedRunnerContract(engine);
    wayBackContract(engine);
  });
}
