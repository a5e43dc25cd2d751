/** What the platform promises while Redis is away, asked of it. */
import assert from 'node:assert/strict';
import { PlinthClientError } from '../../clients/node/index.ts';
import { until } from '../support/platform-process.ts';
import type { Cluster, ServedApi } from './cluster.ts';
import type { HealthWatch } from './health-watch.ts';
import { type Away, outage } from './outage.ts';
import { readable } from './recovery.ts';
import { verifyOnce } from './verifying.ts';
import type { Workload } from './workload.ts';

const WITHIN_MS = 60_000;

/** Keys that exist are read, changed, revoked and verified; none is issued; `/readyz` tells, and is ready. */
export async function withoutRedis(
  { apis }: Pick<Cluster, 'apis'>,
  load: Workload,
  watch: HealthWatch,
  redis: Away,
): Promise<void> {
  const key = await load.issue();
  const each = (what: string, holds: (api: ServedApi) => Promise<boolean> | boolean) =>
    Promise.all(apis.map((api) => until(`it is ${what} without Redis`, () => holds(api), WITHIN_MS)));
  const judged = ({ impatient }: ServedApi) =>
    key.secret === null ? true : verifyOnce(impatient, key, true);
  await outage(watch, redis, async () => {
    for (const { impatient } of apis) {
      const refused = await impatient.issueKey({ name: 'Never' }).catch((error: unknown) => error);
      assert.ok(refused instanceof PlinthClientError, 'a key is issued without Redis');
      assert.deepEqual([refused.status, refused.code], [503, 'unavailable'], refused.message);
      assert.ok((refused.problem?.retryAfterSeconds ?? 0) > 0, 'it does not say when to come again');
    }
    const { token } = await load.rename(key);
    await each('read', (api) => readable(api, key.keyId, token));
    await each('verified', judged);
    await load.revoke(key);
    await each('seen as revoked', judged);
  });
}
