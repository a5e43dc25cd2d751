import { reactorCheckpointsContract } from '../../test/contracts/reactor-checkpoints.ts';
import { testDatabase } from '../../test/support/postgres.ts';
import { memoryReactorCheckpoints } from '../../test/support/reactor-checkpoints.ts';
import { createPool } from './pool.ts';
import { postgresReactorCheckpoints } from './reactor-checkpoints.ts';

reactorCheckpointsContract('Postgres', async (t) => {
  const pool = createPool({ connectionString: await testDatabase(t), applicationName: 'plinth test' });
  t.after(() => pool.close());
  return postgresReactorCheckpoints(pool);
});

reactorCheckpointsContract('in memory', async () => memoryReactorCheckpoints());
