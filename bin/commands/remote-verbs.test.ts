import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type RunningApp, runningApp } from '../../test/support/running-app.ts';

const run = promisify(execFile);
const program = new URL('../plinth.ts', import.meta.url).pathname;

/** What a verb prints with `--json`, of a process of its own that goes over HTTP. */
async function plinth(running: RunningApp, ...args: string[]): Promise<unknown> {
  const { port } = running.app.server.address() as AddressInfo;
  const env = {
    ...process.env,
    PLINTH_URL: `http://127.0.0.1:${port}`,
    PLINTH_KEY: running.admin.secret,
  };
  const { stdout } = await run(process.execPath, [program, ...args, '--json'], { env, timeout: 120_000 });
  return JSON.parse(stdout);
}

test('the command line erases a person, and reports unused keys', async (t) => {
  const running = await runningApp(t);
  await running.app.listen({ host: '127.0.0.1', port: 0 });
  const { ownerId } = running.key;

  assert.deepEqual(await plinth(running, 'keys', 'unused', '--days', '1'), []);
  const before = { erasedAt: null, subject: ownerId, destroyedKeys: 0 };
  assert.deepEqual(await plinth(running, 'subjects', 'get', ownerId), before);

  const erased = (await plinth(running, 'subjects', 'erase', ownerId)) as Record<string, unknown>;
  const { position, ...view } = erased;
  assert.match(String(position), /\.\d{20}$/);
  assert.equal(view.destroyedKeys, 1);
  assert.deepEqual(await plinth(running, 'subjects', 'get', ownerId), view);
});
