import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlagsFile } from '../../commands/flags/flags-file.ts';
import { importedFlags, withImported } from './imported-flags.ts';

const current = parseFlagsFile(`
project: shop
segments: { live: { staff: { attribute: plan, is: equals, value: staff } } }
flags:
  own: { environments: { live: { serve: on } } }
  welcome:
    owner: { team: web }
    tags: [kept]
    clientVisible: true
    variants: { a: A, b: B }
    environments: { live: { off: a, serve: b }, test: { off: a, serve: a } }
`).file!;
const flagSet = {
  flags: {
    welcome: { state: 'ENABLED', variants: { a: 'A', c: 'C' }, defaultVariant: 'c' },
    other: { state: 'ENABLED', variants: { on: true, off: false }, defaultVariant: 'on' },
  },
};

test('what is imported is put over one environment; what somebody said of a flag stays', () => {
  const imported = importedFlags('flagd', flagSet, 'live');
  const { flags, segments } = withImported(current, imported);
  assert.deepEqual(Object.keys(flags), ['own', 'welcome', 'other']);
  const { welcome, own, other } = flags;
  assert.deepEqual([welcome!.owner.team, welcome!.tags, welcome!.clientVisible], ['web', ['kept'], true]);
  assert.deepEqual(welcome!.variants, { a: 'A', c: 'C' });
  assert.deepEqual(welcome!.environments.test, current.flags.welcome!.environments.test);
  assert.equal(welcome!.environments.live!.offVariant, 'c');
  assert.deepEqual(own, current.flags.own);
  assert.deepEqual([other!.kind, Object.keys(other!.environments)], ['release', ['live']]);
  assert.deepEqual(segments, current.segments);
});

test('segments come into every environment that an import has, beside those that are there', () => {
  const when = { attribute: 'a', is: 'equals', value: 1 } as const;
  const { segments } = withImported(current, {
    environments: ['live', 'test'].map((environment) => ({ environment, flags: [] })),
    segments: [{ segment: 'beta', when }],
    findings: [],
  });
  assert.deepEqual(segments, {
    live: { ...current.segments.live, beta: when },
    test: { beta: when },
  });
});

test('a flagd flag set needs to be told its environment, and has flags', () => {
  assert.throws(() => importedFlags('flagd', flagSet, null), /^Failure: Name the environment/);
  assert.throws(() => importedFlags('flagd', { features: [] }, 'live'), /is no flagd flag set/);
  assert.match(importedFlags('unleash', [], null).findings[0]!.message, /./);
});
