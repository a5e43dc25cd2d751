/** What handlers about keys share: reading one or many in one snapshot, and who may see them. */
import { keyView } from '../../commands/keys/key-view.ts';
import { keyStream, ownerStream } from '../../commands/streams.ts';
import type { KeyRecord } from '../../projections/keys/key-record.ts';
import { getKey, type KeyReads } from '../../projections/keys/queries.ts';
import type { Position, TenantId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { KeyListItem } from '../../schemas/views/keys.ts';
import { MAX_READ_WAIT_MS } from '../plugins/position.ts';
import type { Services } from '../services.ts';

interface Asker {
  readonly caller: { readonly tenant: TenantId };
  readonly atLeast: Position | undefined;
}

/** Runs a query over keys and their usage in one snapshot, which has reached what the client asked for. */
export async function readKeys<R>(
  services: Services,
  atLeast: Position | undefined,
  query: (reads: KeyReads) => Promise<R>,
): Promise<{ readonly result: R; readonly position: Position }> {
  const { result, stamp } = await services.readModels.read(
    'key_list',
    { ...(atLeast === undefined ? {} : { atLeast }), waitMs: MAX_READ_WAIT_MS, also: ['usage'] },
    (tx, keys, _stamp, tablesOf) => query({ tx, keys, usage: tablesOf('usage') }),
  );
  return { result, position: stamp.position };
}

/** One key of the caller's tenant. Throws `not_found`, or `stream_parked` when what is known of it is not all. */
export async function readKey(
  services: Services,
  { caller, atLeast }: Asker,
  keyId: string,
): Promise<{ readonly record: KeyRecord; readonly position: Position }> {
  const { result, position } = await readKeys(services, atLeast, (reads) =>
    getKey(reads, caller.tenant, keyId, services.clock.now()),
  );
  const streams = [keyStream(keyId)];
  if (result?.key.ownerId) streams.push(ownerStream(caller.tenant, result.key.ownerId));
  if (result === null && !(await isOfTenant(services, caller.tenant, keyId))) throw noSuchKey();
  if (await services.projections.isParked('key_list', streams)) {
    throw new PlinthError(
      'stream_parked',
      'An event of this key could not be projected, and later ones wait.',
    );
  }
  if (result === null) throw noSuchKey();
  return { record: result, position };
}

/** By the log: a key whose first event is parked has no row, and may be shown to its own tenant alone. */
async function isOfTenant(services: Services, tenant: TenantId, keyId: string): Promise<boolean> {
  const [first] = await services.log.readStream(keyStream(keyId), { through: 1 });
  if (!first) return false;
  const metadata = JSON.parse(Buffer.from(first.metadata).toString('utf8')) as { tenant?: unknown };
  return metadata.tenant === tenant;
}

/** What folds a past, or what no read model has, is made from. */
export function readsOf({ log, execute }: Pick<Services, 'log' | 'execute'>) {
  return { log, codec: execute.codec };
}

export function noSuchKey(): PlinthError {
  return new PlinthError('not_found', 'There is no such key.');
}

export function listItem(record: KeyRecord, nowMs: number): KeyListItem {
  const { lastUsedAtMs } = record;
  return {
    ...keyView(record.key, record.owner, nowMs),
    lastUsedAt: lastUsedAtMs === null ? null : new Date(lastUsedAtMs).toISOString(),
  };
}
