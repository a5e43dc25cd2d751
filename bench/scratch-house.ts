/** The product's engines on a PostgreSQL of the benchmark's own, in a folder that goes when it is done. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandContext } from '../commands/execute.ts';
import { issueKey } from '../commands/keys/issue-key.ts';
import type { Grantor } from '../commands/keys/key-command.ts';
import { systemContext } from '../commands/system-context.ts';
import { createTenant } from '../commands/tenants/create-tenant.ts';
import { DEFAULT_TENANT, DEFAULT_TENANT_SLUG } from '../commands/tenants/default-tenant.ts';
import { type Engines, openEngines } from '../infra/platform/engines.ts';
import { createLog } from '../infra/telemetry/log.ts';
import { issueKeySchema } from '../schemas/commands/keys.ts';
import type { Settings } from '../schemas/config.ts';
import { faultMessage, readSettings } from '../schemas/read-settings.ts';
import { startTestServer } from '../test/support/postgres.ts';

export interface ScratchHouse {
  readonly engines: Engines;
  readonly folder: string;
  /** For another process that is to open the same house. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** The default tenant is there, and nothing else. */
export async function scratchHouse(): Promise<ScratchHouse> {
  const folder = await mkdtemp(join(tmpdir(), 'plinth-bench-'));
  // Goes with this process, however it ends.
  const postgres = await startTestServer();
  const environment = { DATABASE_URL: postgres.url, PLINTH_DATA_DIR: folder };
  const engines = await openEngines({
    settings: settingsOf(environment),
    log: createLog({ level: 'warn' }),
    applicationName: 'plinth bench',
  });
  await createTenant(engines.keyDeps, commandOf('tenant'), { slug: DEFAULT_TENANT_SLUG, name: null });
  return {
    engines,
    folder,
    environment,
    async close() {
      await engines.close();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function settingsOf(environment: Readonly<Record<string, string>>): Settings {
  const read = readSettings(environment);
  if (!read.ok) throw new Error(faultMessage(read.faults));
  return read.settings;
}

export const GRANTOR: Grantor = { permissions: ['*:*'] };

/** As a request makes it; the same parts make the same command. */
export function commandOf(...parts: readonly string[]): CommandContext {
  const context = systemContext('bench', DEFAULT_TENANT, parts);
  return {
    ...context,
    requestDigest: 'r5gkSmhh4kDWLQbFmMhS6pcV2bKvRZRp2FWJDlTPnuM',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  };
}

const OWNERS = 1_000;

/** A key as a team issues it: with an owner, a name and metadata, which are encrypted. */
export const ordinaryKey = (n: number) =>
  issueKeySchema.parse({
    ownerId: `customer-${n % OWNERS}`,
    name: `Billing export of customer ${n % OWNERS}, key ${n}`,
    metadata: {
      plan: n % 3 === 0 ? 'free' : 'team',
      region: 'eu-west-1',
      contact: `person-${n}@example.com`,
    },
    scopes: ['invoices:read', 'invoices:write', 'customers:read'],
    limits: [{ name: 'burst', limit: 1_000_000_000, windowSeconds: 60 }],
  });

/** Answers the whole text of each key. */
export async function issueKeys(engines: Engines, count: number, inFlight = 64): Promise<string[]> {
  const secrets: string[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (next < count) {
        const n = next++;
        const issued = await issueKey(
          engines.keyDeps,
          commandOf('issue', String(n)),
          GRANTOR,
          ordinaryKey(n),
        );
        if (issued.kind === 'rejected') throw new Error(issued.rejection.detail);
        secrets.push(issued.secret!.reveal());
      }
    }),
  );
  return secrets;
}
