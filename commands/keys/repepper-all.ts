/** Puts every key of every tenant under the current pepper: long work that tells how far it is. */
import { PlinthError } from '../../schemas/errors.ts';
import { systemContext } from '../system-context.ts';
import type { KeyDeps } from './key-command.ts';
import { repepperKey } from './repepper-key.ts';

/** Every key that is not revoked, by key id, whatever its pepper. */
export type KeysByPage = (page: {
  readonly after: string | null;
  readonly limit: number;
}) => Promise<readonly { readonly keyId: string; readonly tenant: string }[]>;

export interface RepepperProgress {
  readonly seen: number;
  readonly repeppered: number;
  /** Revoked meanwhile, in need of a rotation, or parked; the first few are named. */
  readonly refused: number;
  readonly refusedKeyIds: readonly string[];
}

/** Also how many are in flight at once. */
const PAGE_KEYS = 16;
const MAX_NAMED_REFUSALS = 20;

/**
 * May be stopped and started again at any time: what is done stays done. Reads the keys from a read model,
 * so a key issued while it runs is under the current pepper by itself, or met by the next run.
 */
export async function repepperAll(
  deps: KeyDeps,
  keysByPage: KeysByPage,
  options: { readonly signal: AbortSignal; readonly onProgress?: (progress: RepepperProgress) => void },
): Promise<RepepperProgress> {
  let progress: RepepperProgress = { seen: 0, repeppered: 0, refused: 0, refusedKeyIds: [] };
  let after: string | null = null;
  while (!options.signal.aborted) {
    const keys = await keysByPage({ after, limit: PAGE_KEYS });
    if (keys.length === 0) break;
    after = keys.at(-1)!.keyId;
    const outcomes = await Promise.all(
      keys.map(async ({ keyId, tenant }) => {
        // A command of its own each time: what is done already is seen in the digests, not in the command id.
        const context = systemContext('repepper', tenant, [
          keyId,
          Buffer.from(deps.random.bytes(16)).toString('hex'),
        ]);
        return { keyId, outcome: await repepperReadable(deps, context, keyId) };
      }),
    );
    const refused = outcomes.filter(({ outcome }) => outcome.kind === 'rejected').map(({ keyId }) => keyId);
    const done = outcomes.filter(({ outcome }) => outcome.kind === 'accepted' && outcome.position !== null);
    progress = {
      seen: progress.seen + keys.length,
      repeppered: progress.repeppered + done.length,
      refused: progress.refused + refused.length,
      refusedKeyIds: [...progress.refusedKeyIds, ...refused].slice(0, MAX_NAMED_REFUSALS),
    };
    options.onProgress?.(progress);
  }
  return progress;
}

/** A key whose stream cannot be read holds up none of the others. */
async function repepperReadable(
  deps: KeyDeps,
  context: Parameters<typeof repepperKey>[1],
  keyId: string,
): Promise<Awaited<ReturnType<typeof repepperKey>>> {
  try {
    return await repepperKey(deps, context, { keyId });
  } catch (error) {
    if (!(error instanceof PlinthError) || error.rejection.code !== 'stream_parked') throw error;
    return { kind: 'rejected', rejection: error.rejection };
  }
}
