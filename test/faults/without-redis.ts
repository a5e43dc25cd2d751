/** What the platform promises while Redis is away, asked of it. */
import assert from 'node:assert/strict';
import { PlinthClientError } from '../../clients/node/index.ts';
import { until } from '../support/platform-process.ts';
import type { Cluster } from './cluster.ts';
import { readable } from './recovery.ts';
import { verifyOnce } from './verifying.ts';
import type { Workload } from './workload.ts';

const TOLD_WITHIN_MS = 60_000;

/** Keys that exist are read, changed, revoked and verified; none is issued; `/readyz` tells, and is ready. */
export async function withoutRedis(
  { api, client, impatient }: Pick<Cluster, 'api' | 'client' | 'impatient'>,
  load: Workload,
  redis: { goes(): Promise<void> | void; comesBack(): Promise<void> | void },
): Promise<void> {
  const key = await load.issue();
  await redis.goes();
  try {
    const told = async () => {
      const { ready, reasons } = await api.probe();
      return ready === true && (reasons.redis ?? '') !== '';
    };
    await until('the api says that Redis is away, and is ready', told, TOLD_WITHIN_MS);
    const refused = await impatient.issueKey({ name: 'Never' }).catch((error: unknown) => error);
    assert.ok(refused instanceof PlinthClientError, 'a key is issued without Redis');
    assert.deepEqual([refused.status, refused.code], [503, 'unavailable'], refused.message);
    assert.ok((refused.problem?.retryAfterSeconds ?? 0) > 0, 'it does not say when to come again');
    const { token } = await load.rename(key);
    await until('it is read without Redis', () => readable({ client }, key.keyId, token), TOLD_WITHIN_MS);
    const judged = () => (key.secret === null ? true : verifyOnce(impatient, key, true));
    await until('it is verified without Redis', judged, TOLD_WITHIN_MS);
    await load.revoke(key);
    await until('its revocation is seen without Redis', judged, TOLD_WITHIN_MS);
  } finally {
    await redis.comesBack();
  }
}
