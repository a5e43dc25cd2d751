import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remoteVerb } from '../../test/support/remote-verb.ts';
import { type RunningApp, runningApp } from '../../test/support/running-app.ts';

/** What a verb prints with `--json`. */
async function plinth(running: RunningApp, ...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await remoteVerb(running, [...args, '--json']);
  assert.equal(code, 0, stderr);
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
