import { join } from 'node:path';

/** Where the first management key is written. */
export function adminKeyFile(dataDir: string): string {
  return join(dataDir, 'admin.key');
}
