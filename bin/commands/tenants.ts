/** `plinth tenants …`: over HTTP, with a key of the default tenant. */
import type { Command } from 'commander';
import { printFields, printJson, printTable } from '../output.ts';
import { remoteClient } from '../remote.ts';

export function addTenantCommands(program: Command): void {
  const tenants = program.command('tenants').description('Create, suspend and resume tenants');
  const verb = (name: string, description: string) =>
    tenants.command(name).description(description).option('--json', 'print JSON');

  verb('create <slug>', 'Create a tenant; its slug is unique for ever')
    .option('--name <name>')
    .action(async (slug: string, o) =>
      printFields(o, await remoteClient().createTenant({ slug, name: o.name ?? null })),
    );
  verb('list', 'List tenants, newest first')
    .option('--status <status>', 'active or suspended')
    .action(async (o) => {
      await printTable(o, remoteClient().listTenants(o.status ? { status: o.status } : {}), {
        id: (t) => t.id,
        slug: (t) => t.slug,
        status: (t) => t.status,
        name: (t) => t.name,
        created: (t) => t.createdAt,
      });
    });
  verb('get <id>', 'Show a tenant').action(async (id: string, o) =>
    printFields(o, await remoteClient().getTenant(id)),
  );
  verb('suspend <id>', 'None of its keys verifies until it is resumed')
    .option('--reason <text>')
    .action(async (id: string, o) =>
      printFields(o, await remoteClient().suspendTenant(id, { reason: o.reason ?? null })),
    );
  verb('resume <id>', 'Its keys verify again')
    .option('--reason <text>')
    .action(async (id: string, o) =>
      printFields(o, await remoteClient().resumeTenant(id, { reason: o.reason ?? null })),
    );
  verb('admin-key <id>', 'Issue a management key of that tenant; its secret is printed once').action(
    async (id: string, o) => {
      const issued = await remoteClient().issueAdminKey(id);
      if (o.json) return printJson(issued);
      console.log(`${issued.key.id}\n${issued.secret}\nThis is the secret. It is not shown again.`);
    },
  );
}
