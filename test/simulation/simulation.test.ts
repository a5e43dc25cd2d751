import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { rules } from './rules.ts';
import { Scheduler } from './scheduler.ts';

/** Schedules of each rule in a test run. */
const SCHEDULES = 10_000;
/** Each plays in a process of its own. */
const RULES_AT_ONCE = 2;

describe('the rules', { concurrency: RULES_AT_ONCE }, () => {
  for (const rule of rules) {
    test(`the rule "${rule.name}" holds in ${SCHEDULES} schedules, and each of its twins is caught`, async () => {
      const { code, output } = await simulate([rule.name, '--schedules', String(SCHEDULES)]);
      assert.equal(code, 0, output);
      assert.deepEqual(JSON.parse(output.trim().split('\n').at(-1)!), {
        rules: 1,
        schedules: SCHEDULES,
        failures: 0,
        twins: rule.twins.length,
        caught: rule.twins.length,
      });
    });
  }
});

test('every rule has at least three twins', () => {
  for (const rule of rules) assert.ok(rule.twins.length >= 3, rule.name);
});

test('one seed is one schedule', async () => {
  for (const rule of rules) {
    const trace = async () => {
      const scheduler = new Scheduler(42);
      await scheduler.drive(rule.play(scheduler, rule.guards));
      return scheduler.trace;
    };
    assert.deepEqual(await trace(), await trace(), rule.name);
  }
});

test('a rule that nobody knows is refused with the names of those there are', async () => {
  const { code, output } = await simulate(['no-such-rule']);
  assert.equal(code, 1);
  assert.match(output, /execute/);
});

function simulate(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const main = fileURLToPath(new URL('main.ts', import.meta.url));
    const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, NODE_V8_COVERAGE: '' } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-20_000);
      });
    }
    child.on('close', (code) => resolve({ code, output }));
  });
}
