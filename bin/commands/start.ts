/** `plinth start`, `api`, `projector`, `relay`, `scheduler`: the long-running roles. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { adminKeyFile } from '../../infra/platform/admin-key-file.ts';
import { type Platform, type Role, roles, startPlatform } from '../../infra/platform.ts';
import { createLog } from '../../infra/telemetry/log.ts';
import { Failure, sentenceFor } from '../failure.ts';
import { settingsOf } from '../settings.ts';
import { addRelayCommands } from './relay.ts';

/** What has not ended by then is cut. */
const HARD_DEADLINE_MS = 25_000;
/** One Ctrl-C may come twice: from the terminal, and from npm, which passes it on. */
const ONE_ASKING_MS = 200;

export function addRoleCommands(program: Command): void {
  program
    .command('start')
    .description('Run the whole platform in this process')
    .action(() => runRoles(null));
  program
    .command('api')
    .description('Run the HTTP API')
    .action(() => runRoles(['api']));
  program
    .command('projector')
    .description('Run the projections that fill the read models')
    .action(() => runRoles(['projector']));
  addRelayCommands(program, () => runRoles(['relay']));
  program
    .command('scheduler')
    .description('Run what falls due with time and what follows from events')
    .action(() => runRoles(['scheduler']));
}

/** Null: all that the settings allow. */
async function runRoles(only: readonly Role[] | null): Promise<void> {
  const settings = settingsOf(process.env);
  const wanted = only ?? roles.filter((role) => role !== 'relay' || settings.kafkaBrokers !== null);
  if (wanted.includes('relay') && settings.kafkaBrokers === null) {
    throw new Failure('The relay carries the log to Kafka: set KAFKA_BROKERS.', 78);
  }
  const log = createLog({ level: settings.logLevel });
  const starting = new AbortController();
  let started: Promise<Platform> | undefined;
  let ending = false;
  let askedMs = 0;
  const end = (why: string, exitCode: number) => {
    if (ending) {
      // Asked twice: whoever asks does not want to wait.
      if (performance.now() - askedMs > ONE_ASKING_MS) process.exit(130);
      return;
    }
    ending = true;
    askedMs = performance.now();
    log.info({ detail: why }, 'stopping');
    setTimeout(
      () => {
        log.error('what was still open after 25 s is cut');
        process.exit(1);
      },
      HARD_DEADLINE_MS + settings.drainSeconds * 1000,
    ).unref();
    starting.abort();
    // A start that is given up closes what it has opened by itself.
    const closed = started?.then(
      (platform) => platform.close(),
      () => {},
    );
    void Promise.resolve(closed).then(() => {
      log.info('stopped');
      process.exit(exitCode);
    });
  };
  process.on('SIGINT', () => end('SIGINT', 0));
  process.on('SIGTERM', () => end('SIGTERM', 0));
  try {
    started = startPlatform({
      settings,
      roles: wanted,
      log,
      failed: (why) => end(why, 1),
      signal: starting.signal,
    });
    const platform = await started;
    if (platform.url !== null && !ending) welcome(platform, platform.url);
  } catch (error) {
    // Its end is on the way.
    if (ending) return;
    const { host, dataDir } = settings;
    const context = wanted.includes('api')
      ? { host, dataDir, port: settings.port }
      : { host, dataDir, port: settings.healthPort ?? undefined, portSetting: 'PLINTH_HEALTH_PORT' };
    const sentence = sentenceFor(error, context);
    throw sentence === undefined ? error : new Failure(sentence, 1, { cause: error });
  }
}

/** For the person who started it; on standard error, so that standard output stays JSON lines. */
function welcome({ adminKey, engines }: Platform, url: string): void {
  const file = adminKeyFile(engines.settings.dataDir);
  const lines = ['', `Plinth is at ${url}, its reference at ${url}/docs`, ''];
  if (adminKey.secret !== null) {
    lines.push(`The admin key is in ${file}, readable by you alone. Lost it? plinth admin recover`);
    if (process.stderr.isTTY) lines.push('', `  ${adminKey.secret.reveal()}`, '', 'It is shown here once.');
    lines.push('');
  } else if (!existsSync(file)) {
    lines.push(`There is no admin key in ${file}: plinth admin recover makes one.`, '');
  }
  const curl = `curl -s -H "Authorization: Bearer $(cat ${file})" -H 'Content-Type: application/json'`;
  lines.push(
    'Issue a key, then ask whether it is good:',
    '',
    `  ${curl} ${url}/v1/keys -d '{"name":"my first key","scopes":["invoices:read"]}'`,
    `  ${curl} ${url}/v1/keys/verify -d '{"key":"<its secret>","scopes":"invoices:read"}'`,
    '',
    'Ctrl-C stops it.',
    '',
  );
  process.stderr.write(`${lines.join('\n')}\n`);
}
