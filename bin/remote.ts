/** Verbs that go over HTTP: where the API is, and the key to call it with. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Calls, callsOf } from '../clients/node/calls.ts';
import { PlinthClient } from '../clients/node/index.ts';
import { adminKeyFile } from '../infra/platform/admin-key-file.ts';
import { Failure } from './failure.ts';
import { settingsOf } from './settings.ts';

export function remoteClient(): PlinthClient {
  return new PlinthClient(remoteOptions());
}

/** For what the client has no method for. */
export function remoteCalls(): Calls {
  return callsOf(remoteOptions());
}

function remoteOptions() {
  const settings = settingsOf(process.env);
  const url = settings.url ?? `http://127.0.0.1:${settings.port}`;
  return { url, key: settings.key?.reveal() ?? adminKey(settings.dataDir) };
}

function adminKey(dataDir: string): string {
  const path = resolve(adminKeyFile(dataDir));
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new Failure(`No key to call with: set PLINTH_KEY, or run this where ${path} can be read.`, 1, {
      cause: error,
    });
  }
}
