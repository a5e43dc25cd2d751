import { eventLogContract } from '../../test/contracts/event-log.ts';
import { openPostgresLogAt, openTestLog } from '../../test/support/postgres-log.ts';

eventLogContract('the log in Postgres', {
  idsAreUniqueIn: 'log',
  async open(t) {
    const { log, pool, url } = await openTestLog(t);
    const elsewhere = await openPostgresLogAt(t, url);
    return {
      log,
      elsewhere: elsewhere.log,
      async openOlderTransaction() {
        let end = () => {};
        const ended = new Promise<void>((resolve) => {
          end = resolve;
        });
        let transaction: Promise<unknown> | undefined;
        await new Promise<void>((started) => {
          transaction = pool.transaction(async (tx) => {
            await tx.query('SELECT pg_current_xact_id()');
            started();
            await ended;
          });
        });
        return async () => {
          end();
          await transaction;
        };
      },
    };
  },
});
