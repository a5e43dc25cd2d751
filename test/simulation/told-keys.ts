/** What clients of one process are told of keys by the log: what once was is never told as if it had not been. */
import assert from 'node:assert/strict';
import { type ConfirmLog, confirmedReads } from '../../api/verify/confirm-log.ts';
import type { EventLog } from '../../commands/event-log.ts';
import { enableKey } from '../../commands/keys/enable-key.ts';
import { keyHistory } from '../../commands/keys/key-history.ts';
import { keyStream } from '../../commands/streams.ts';
import { systemContext } from '../../commands/system-context.ts';
import type { Epoch } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { MemoryProjectionDatabase } from '../engines/memory-projection-store.ts';
import { plainCodec } from './plain-codec.ts';
import type { Process } from './scheduler.ts';
import { KEYS, peppers, type SimKey, TENANT } from './verify-world.ts';

const MAX_ENTRIES = 1_000;

export interface ToldKeys {
  /** Asks for its history, and has it enabled, which it is. Answers whether it is there; null: nobody can say. */
  ask(key: SimKey): Promise<boolean | null>;
}

/** A read model of the new epoch is the word that what the log holds now is the truth. */
export function toldKeys(
  process: Process,
  log: EventLog,
  database: MemoryProjectionDatabase,
  confirm: ConfirmLog,
): ToldKeys {
  const wrapped = process.wrap(log, 'log');
  const { clock } = process;
  const random = { bytes: (count: number) => new Uint8Array(count).fill(3) };
  const execute = { log: wrapped, codec: plainCodec, clock, random, peppers, confirm };
  const reads = { log: confirmedReads(wrapped, confirm), codec: plainCodec };
  const entries = new Map<string, number>();
  let toldIn: Epoch | null = null;
  const holds = async ({ keyId }: SimKey) => {
    const { epoch } = await log.head();
    const page = await keyHistory(reads, TENANT, keyId, { after: null, limit: MAX_ENTRIES });
    const told = page?.entries.length ?? 0;
    const served = database.current(KEYS)?.stamp.epoch ?? toldIn;
    if (served !== toldIn) entries.clear();
    toldIn = epoch;
    const before = entries.get(keyId) ?? 0;
    assert.ok(told >= before, `${told} changes of a key are told, of which ${before} were told before`);
    entries.set(keyId, told);
    const outcome = await enableKey(
      execute,
      systemContext('test', TENANT, [keyStream(keyId), 'enable']),
      { permissions: [] },
      { keyId, reason: null },
    );
    const found = outcome.kind === 'accepted';
    const another = (database.current(KEYS)?.stamp.epoch ?? epoch) !== epoch;
    assert.ok(found || told === 0 || another, 'a key whose history was told does not exist for a command');
    return found;
  };
  return {
    ask: (key) =>
      holds(key).catch((error: unknown) => {
        const code = error instanceof PlinthError ? error.rejection.code : null;
        if (code !== 'unavailable' && code !== 'log_epoch_changed') throw error;
        return null;
      }),
  };
}
