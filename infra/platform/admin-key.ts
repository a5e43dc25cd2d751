/** The first management key: minted at the first start, or anew when all are lost. */
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { issueKey } from '../../commands/keys/issue-key.ts';
import { KEYS_COLLECTION } from '../../commands/streams.ts';
import { systemContext } from '../../commands/system-context.ts';
import { createTenant } from '../../commands/tenants/create-tenant.ts';
import { DEFAULT_TENANT, DEFAULT_TENANT_SLUG } from '../../commands/tenants/default-tenant.ts';
import { issueKeySchema } from '../../schemas/commands/keys.ts';
import type { Secret } from '../../schemas/secret.ts';
import { adminKeyFile } from './admin-key-file.ts';
import type { Engines } from './engines.ts';

export interface AdminKey {
  readonly keyId: string;
  /** Null: it was minted by an earlier start, and is told only once. */
  readonly secret: Secret<string> | null;
}

/** Makes the default tenant and its first key, once, however often it is started or killed meanwhile. */
export async function bootstrap(engines: Engines): Promise<AdminKey> {
  const outcome = await createTenant(
    engines.keyDeps,
    systemContext('bootstrap', DEFAULT_TENANT, ['default tenant']),
    {
      slug: DEFAULT_TENANT_SLUG,
      name: 'Default',
    },
  );
  if (outcome.kind === 'rejected' && outcome.rejection.code !== 'already_exists')
    throw new Error(outcome.rejection.detail);
  return mint(engines, 'bootstrap', ['admin key'], 'Bootstrap admin key');
}

/** Another admin key; those there are stay as they are. */
export function recoverAdminKey(engines: Engines): Promise<AdminKey> {
  const serial = Buffer.from(engines.random.bytes(16)).toString('hex');
  return mint(engines, 'recover', ['admin key', serial], 'Recovered admin key');
}

async function mint(
  engines: Engines,
  role: string,
  parts: readonly string[],
  name: string,
): Promise<AdminKey> {
  const issued = await issueKey(
    engines.keyDeps,
    systemContext(role, DEFAULT_TENANT, [KEYS_COLLECTION, ...parts]),
    { permissions: ['*:*'] },
    issueKeySchema.parse({ use: 'management', name, permissions: ['*:*'] }),
  );
  if (issued.kind === 'rejected') throw new Error(issued.rejection.detail);
  if (issued.secret) await writeSecretly(adminKeyFile(engines.dataDir), `${issued.secret.reveal()}\n`);
  return { keyId: issued.state.keyId, secret: issued.secret };
}

/** Whole or not at all, and readable by its owner alone from the first byte. */
async function writeSecretly(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
