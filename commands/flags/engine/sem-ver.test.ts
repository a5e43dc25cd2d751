import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareVersions, parseVersion, versionTests } from './sem-ver.ts';

const parsed = (text: string) => parseVersion(text)!;

test('versions are in the order of semver.org, point 11', () => {
  const rising = [
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0',
    '2.0.0',
    '2.1.0',
    '2.1.1',
    '10.0.0',
  ];
  for (const [i, lower] of rising.entries()) {
    for (const [j, upper] of rising.entries()) {
      const sign = Math.sign(compareVersions(parsed(lower), parsed(upper)));
      assert.equal(sign, Math.sign(i - j), `${lower} and ${upper}`);
    }
  }
});

test('a v in front, a number or two alone, and what stands behind a plus are taken as flagd takes them', () => {
  for (const [given, as] of [
    ['v1.2.3', '1.2.3'],
    ['V1.2.3', '1.2.3'],
    ['1', '1.0.0'],
    ['1.2', '1.2.0'],
    ['1.2.3+build.7', '1.2.3'],
  ] as const) {
    assert.equal(compareVersions(parsed(given), parsed(as)), 0, given);
  }
});

test('what is no version is none', () => {
  for (const given of [
    '',
    'x',
    '1.2.3.4',
    '01.2.3',
    '1.2.3-01',
    '1.2.3-',
    '1.2.x',
    '^1.2.3',
    null,
    {},
    `1.2.${'9'.repeat(300)}`,
    '1.2.9007199254740993',
  ]) {
    assert.equal(parseVersion(given), null, JSON.stringify(given));
  }
});

test('^ asks for the same major version, ~ for the same minor one', () => {
  assert.equal(versionTests['^']!(parsed('3.9.0'), parsed('3.0.0')), true);
  assert.equal(versionTests['^']!(parsed('4.0.0'), parsed('3.0.0')), false);
  assert.equal(versionTests['~']!(parsed('3.1.9'), parsed('3.1.0')), true);
  assert.equal(versionTests['~']!(parsed('3.2.0'), parsed('3.1.0')), false);
});
