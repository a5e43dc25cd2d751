import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { startEventStoreStandIn } from '../test/eventstore/stand-in.ts';
import { ownRedis } from '../test/support/redis-server.ts';
import { without } from '../test/support/servers.ts';

const PASSWORD = 'hunter2hunter2';
const FORMS = [PASSWORD, ...(['base64', 'hex'] as const).map((form) => Buffer.from(PASSWORD).toString(form))];

/** Every way in which these clients and what they stand on can be asked to print. */
const ASKED = {
  GRPC_VERBOSITY: 'DEBUG',
  GRPC_TRACE: 'all',
  KAFKAJS_LOG_LEVEL: 'DEBUG',
  DEBUG_DEPTH: '10',
};

/** All that a process prints which runs this program, with the URL as its argument. */
async function printed(program: string, url: string, debug: string): Promise<string> {
  const node = spawn(
    process.execPath,
    ['--input-type=module', '--disable-warning=ExperimentalWarning', '--eval', program, url],
    { cwd: import.meta.dirname, env: { ...process.env, ...ASKED, DEBUG: debug }, timeout: 30_000 },
  );
  let text = '';
  for (const stream of [node.stdout, node.stderr]) {
    stream.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
  }
  await new Promise((resolve) => node.once('close', resolve));
  assert.match(text, /^used$/m, text);
  return text;
}

const useLog = `
  import { openEventStoreEventLog } from './event-log/eventstore/eventstore-event-log.ts';
  import { systemClock } from './system-clock.ts';
  import { Secret } from '../schemas/secret.ts';
  const log = await openEventStoreEventLog({ url: new Secret(process.argv[1]), clock: systemClock });
  await log.head();
  await log.close();
  const broken = process.argv[1].replace('tls=', 'tls=maybe');
  await openEventStoreEventLog({ url: new Secret(broken), clock: systemClock }).catch(() => {});
  console.log('used');
`;
const useRedis = `
  import { openRedis } from './redis/connection.ts';
  import { Secret } from '../schemas/secret.ts';
  const redis = openRedis({ prefix: 'plinth', url: new Secret(process.argv[1]), deadlineMs: 10_000 });
  if (!(await redis.whenReady(10_000))) throw new Error('Redis does not answer');
  const stop = redis.subscribe('plinth:news', () => {});
  await redis.publish('plinth:news', 'none');
  stop();
  await redis.close();
  console.log('used');
`;

const DEBUGS = ['*', 'esdb:*,ioredis:*', '*:*,esdb*,ioredis*', 'esdb:connection ioredis:redis'];

test('the client of EventStoreDB prints no credential, whatever DEBUG asks for', async (t) => {
  const standIn = await startEventStoreStandIn();
  t.after(() => standIn.close());
  const hosts = [`127.0.0.1:${standIn.port}`, `127.0.0.1:${standIn.port},127.0.0.1:${standIn.port}`];
  for (const [index, debug] of DEBUGS.entries()) {
    const url = `esdb://admin:${PASSWORD}@${hosts[index % 2]}?tls=false`;
    const text = await printed(useLog, url, debug);
    for (const form of FORMS) assert.ok(!text.includes(form), `DEBUG=${debug}: ${text}`);
  }
});

test('the client of Redis prints no password, whatever DEBUG asks for', {
  skip: without('redis'),
}, async (t) => {
  const server = await ownRedis(t, { password: PASSWORD });
  for (const debug of DEBUGS) {
    const text = await printed(useRedis, server.url, debug);
    for (const form of FORMS) assert.ok(!text.includes(form), `DEBUG=${debug}: ${text}`);
  }
});
