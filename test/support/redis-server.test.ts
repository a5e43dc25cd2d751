import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ownRedis, startRedisCluster } from './redis-server.ts';
import { without } from './servers.ts';

const skip = { skip: without('redis') };

test('a Redis forgets with a restart on its port, and a durable one does not', skip, async (t) => {
  for (const durable of [false, true]) {
    const redis = await ownRedis(t, { durable, password: 'a b&c' });
    assert.equal(await redis.cli('set', 'a', '1'), 'OK');
    await redis.kill('SIGTERM');
    await redis.restart();
    assert.equal(await redis.cli('get', 'a'), durable ? '1' : '');
  }
});

test('three nodes make a cluster that has all slots', skip, async (t) => {
  const cluster = await startRedisCluster();
  t.after(() => cluster.stop());
  assert.match(await cluster.nodes[1]!.cli('cluster', 'info'), /cluster_slots_ok:16384/);
});

test('a Redis goes with the process that started it, killed or not', skip, async () => {
  const module = new URL('./redis-server.ts', import.meta.url).href;
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { startRedis } from '${module}'; console.log((await startRedis()).port); setInterval(() => {}, 1000);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const port = await new Promise<number>((resolve) =>
    child.stdout.once('data', (text) => resolve(Number(text))),
  );
  assert.ok(await answers(port));
  child.kill('SIGKILL');
  for (let tries = 0; (await answers(port)) && tries < 200; tries++) await pause(50);
  assert.equal(await answers(port), false);
});

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
