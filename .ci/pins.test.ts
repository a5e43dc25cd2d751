import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admits, installedFaults, pinFaults } from './pins.ts';

const lock = (version: string, more = {}) => ({
  packages: { '': {}, 'node_modules/a': { version, ...more } },
});

test('a range is refused, and so is a lockfile that resolves otherwise', () => {
  assert.match(pinFaults({ dependencies: { a: '^1.0.0' } }, lock('1.0.0'))[0]!, /not an exact version/);
  assert.match(pinFaults({ dependencies: { a: '1.0.1' } }, lock('1.0.0'))[0]!, /lockfile has 1.0.0/);
  assert.deepEqual(pinFaults({ dependencies: { a: '1.0.0' } }, lock('1.0.0')), []);
});

test('a download address in the lockfile is refused', () => {
  assert.match(
    pinFaults({}, lock('1.0.0', { resolved: 'https://example.org/a.tgz' }))[0]!,
    /download address/,
  );
});

test('an engine that leaves out the Node of the product is refused', () => {
  assert.match(pinFaults({}, lock('1.0.0', { engines: { node: '^20.0.0 || ^22.0.0' } }))[0]!, /wants Node/);
});

test('ranges of Node are read as npm reads them', () => {
  for (const range of [
    '>=20',
    '>= 18',
    '20 || >=22',
    '^24.1.0',
    '>=22.12.0',
    '*',
    '24.x',
    '>=18 <25',
    '>=8.0.0',
  ]) {
    assert.equal(admits(range, 24), true, range);
  }
  for (const range of ['^20.0.0', '<24', '20 || 22', '>=25', '>=18 <24'])
    assert.equal(admits(range, 24), false, range);
});

test('an installed version that differs from the lockfile is told', () => {
  assert.match(installedFaults(lock('1.0.0'), () => '{"version":"0.9.0"}')[0]!, /installed 0.9.0/);
});
