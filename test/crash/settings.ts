/** Settings of every process of a crash run: its own folder, and secrets that it keeps over its lives. */
import type { Settings } from '../../schemas/config.ts';
import { readSettings } from '../../schemas/read-settings.ts';

const SECRETS = { PLINTH_MASTER_KEY: 'ab'.repeat(32), PLINTH_PEPPERS: `1:${'cd'.repeat(32)}` };

/** `databaseUrl`: of a server that another process owns; null: the embedded one in the folder. */
export function crashSettings(dataDir: string, databaseUrl: string | null): Settings {
  const read = readSettings({
    ...SECRETS,
    PLINTH_DATA_DIR: dataDir,
    ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
  });
  if (!read.ok) throw new Error(read.faults.map((fault) => JSON.stringify(fault)).join('; '));
  return read.settings;
}
