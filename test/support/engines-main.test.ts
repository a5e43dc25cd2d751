import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openRedis } from '../../infra/redis/connection.ts';
import { Secret } from '../../schemas/secret.ts';
import { until } from './platform-process.ts';
import { without } from './servers.ts';

const program = fileURLToPath(new URL('./engines-main.ts', import.meta.url));

function run(...args: string[]) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args]);
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err += text;
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, said, ended };
}

test('it prints the settings of what it started, and takes it along when it ends', {
  skip: without('redis'),
}, async (t) => {
  const { child, said, ended } = run('redis', 'postgres');
  t.after(() => child.kill('SIGKILL'));
  await until('both are there', () => said.err.includes('They keep nothing'));
  assert.match(said.out, /^REDIS_URL=redis:\/\/127\.0\.0\.1:\d+\nDATABASE_URL=postgres:\/\/plinth:\S+\n$/);
  const redis = openRedis({ url: new Secret(/^REDIS_URL=(.*)$/m.exec(said.out)![1]!), prefix: 'plinth' });
  t.after(() => redis.close());
  assert.equal(await redis.whenReady(20_000), true);
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
  await until('Redis is gone', () => redis.state() === 'away');
});

test('what it does not know it refuses, and says what there is', async () => {
  for (const [args, says] of [
    [['mongo'], /mongo: give any of postgres, kafka, redis/],
    [['--port', '5000'], /--port: give it with kafka or redis alone/],
    [['postgres', '--port', '5000'], /--port: give it with kafka or redis alone/],
  ] as const) {
    const { said, ended } = run(...args);
    assert.equal(await ended, 2);
    assert.match(said.err, says);
  }
});
