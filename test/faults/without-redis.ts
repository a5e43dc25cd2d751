/** What the platform promises while Redis is away, asked of it. */
import assert from 'node:assert/strict';
import { PlinthClientError } from '../../clients/node/index.ts';
import { until } from '../support/platform-process.ts';
import type { Cluster, ServedApi } from './cluster.ts';
import { readable } from './recovery.ts';
import { verifyOnce } from './verifying.ts';
import type { Workload } from './workload.ts';

const TOLD_WITHIN_MS = 60_000;

/** Keys that exist are read, changed, revoked and verified; none is issued; `/readyz` tells, and is ready. */
export async function withoutRedis(
  { apis }: Pick<Cluster, 'apis'>,
  load: Workload,
  redis: { goes(): Promise<void> | void; comesBack(): Promise<void> | void },
): Promise<void> {
  const key = await load.issue();
  await redis.goes();
  try {
    const told = async ({ slot }: ServedApi) => {
      const { ready, reasons } = await slot.probe();
      return ready === true && (reasons.redis ?? '') !== '';
    };
    const each = (what: string, holds: (api: ServedApi) => Promise<boolean> | boolean) =>
      Promise.all(apis.map((api) => until(what, () => holds(api), TOLD_WITHIN_MS)));
    await each('the api says that Redis is away, and is ready', told);
    for (const { impatient } of apis) {
      const refused = await impatient.issueKey({ name: 'Never' }).catch((error: unknown) => error);
      assert.ok(refused instanceof PlinthClientError, 'a key is issued without Redis');
      assert.deepEqual([refused.status, refused.code], [503, 'unavailable'], refused.message);
      assert.ok((refused.problem?.retryAfterSeconds ?? 0) > 0, 'it does not say when to come again');
    }
    const { token } = await load.rename(key);
    await each('it is read without Redis', (api) => readable(api, key.keyId, token));
    const judged = ({ impatient }: ServedApi) =>
      key.secret === null ? true : verifyOnce(impatient, key, true);
    await each('it is verified without Redis', judged);
    await load.revoke(key);
    await each('its revocation is seen without Redis', judged);
  } finally {
    await redis.comesBack();
  }
}
