/** `plinth admin …`: what needs the data itself, and `plinth settings`. */

import type { Command } from 'commander';
import { repepperAll } from '../../commands/keys/repepper-all.ts';
import { bootstrap, recoverAdminKey } from '../../infra/platform/admin-key.ts';
import { adminKeyFile } from '../../infra/platform/admin-key-file.ts';
import { keysByPage } from '../../projections/keys/due-keys.ts';
import { shownSettings } from '../../schemas/read-settings.ts';
import { withEngines } from '../local.ts';
import { printJson, printTable, progressLine } from '../output.ts';
import { settingsOf } from '../settings.ts';

export function addAdminCommands(program: Command): void {
  const admin = program.command('admin').description('What only the owner of the data can do');

  admin
    .command('recover')
    .description('Mint a new admin key when the old one is lost; needs this machine’s data')
    .option('--json', 'print JSON')
    .action((o) =>
      withEngines(
        async (engines) => {
          await bootstrap(engines);
          const { keyId, secret } = await recoverAdminKey(engines);
          const file = adminKeyFile(engines.dataDir);
          if (o.json) return printJson({ keyId, file });
          console.log(`A new admin key ${keyId} is in ${file}.`);
          if (process.stdout.isTTY && secret) console.log(`\n${secret.reveal()}\n`);
          console.log(
            'The old ones still work: revoke what you do not know (plinth keys list --use management).',
          );
        },
        { personal: true },
      ),
    );

  admin
    .command('repepper')
    .description('Put every key under the newest pepper; may be stopped and started again')
    .option('--json', 'print JSON')
    .action((o) =>
      withEngines(async (engines, signal) => {
        const line = progressLine('Re-peppering, keys seen');
        const done = await repepperAll(
          engines.keyDeps,
          async (page) =>
            (await engines.readModels.read('keys', {}, (tx, keys) => keysByPage(tx, keys, page))).result,
          { signal, onProgress: ({ seen }) => line.update(seen, null) },
        );
        line.end();
        if (o.json) return printJson(done);
        console.log(
          `${done.seen} keys seen, ${done.repeppered} put under pepper ${engines.keyring.peppers.current}, ${done.refused} refused.`,
        );
        for (const keyId of done.refusedKeyIds)
          console.log(`  ${keyId} needs a rotation, is parked, or was revoked meanwhile`);
        console.log('Keep the old peppers: digests are nested, so they are needed for good.');
      }),
    );

  program
    .command('settings')
    .description('Show the settings in effect and where each comes from')
    .option('--json', 'print JSON')
    .action((o) => {
      printTable(o, shownSettings(process.env), {
        setting: (s) => s.env,
        value: (s) => s.value,
        from: (s) => s.source,
        'what it does': (s) => s.doc,
      });
      settingsOf(process.env);
    });
}
