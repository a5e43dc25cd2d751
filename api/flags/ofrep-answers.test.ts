import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ofrepBulkSchema, ofrepEvaluationSchema, ofrepFailureSchema } from '../../schemas/views/ofrep.ts';
import { ofrepFault } from '../../test/support/ofrep-rules.ts';
import { servedEnvironment } from '../../test/support/served-flags.ts';
import { bulkText, listedText, singleAnswer } from './ofrep-answers.ts';

const onOff = { on: true, off: false };
const environment = servedEnvironment({
  plain: { variants: onOff, metadata: { owner: 'payments', weight: 0.5, beta: true } },
  text: { variants: { de: 'Grüße', en: 'Hi "there"\n' }, type: 'string' },
  number: { variants: { half: 0.5, none: 0 }, type: 'number' },
  json: { variants: { one: { a: [1, null, { b: '</script>' }] }, empty: {} }, type: 'json' },
  killed: { variants: onOff, settings: { mode: 'killed' } },
  'code-default': { variants: onOff, settings: { fallthrough: { codeDefault: true } } },
  ramp: {
    variants: onOff,
    settings: {
      fallthrough: {
        rollout: { by: 'targetingKey', exposure: 50_000, weights: [{ variant: 'on', weight: 1 }] },
      },
    },
  },
  target: { variants: onOff, settings: { targets: [{ variant: 'off', keys: ['jane'] }] } },
  secret: { variants: onOff, clientVisible: false },
  broken: {
    variants: onOff,
    settings: { fallthrough: { logic: { cat: ['internal-', { var: 'plan' }] }, otherwise: null } },
  },
});
const ask = (key: string, context = {}, use: 'flags-server' | 'flags-client' = 'flags-server') => {
  const { status, body } = singleAnswer(environment, key, context, use, 0);
  assert.equal(ofrepFault('single', status, body), null, body);
  const schema = status === 200 ? ofrepEvaluationSchema : ofrepFailureSchema;
  return { status, ...schema.parse(JSON.parse(body)) };
};

test('a value of each type comes with its variant, reason and metadata', () => {
  assert.deepEqual(ask('plain'), {
    status: 200,
    key: 'plain',
    value: true,
    reason: 'STATIC',
    variant: 'on',
    metadata: { owner: 'payments', weight: 0.5, beta: true },
  });
  const values = ['text', 'number', 'json', 'killed'].map((key) => (ask(key) as { value?: unknown }).value);
  assert.deepEqual(values, ['Grüße', 0.5, { a: [1, null, { b: '</script>' }] }, false]);
  const reasons = [ask('ramp', { targetingKey: 'joe' }), ask('target', { targetingKey: 'jane' })];
  assert.deepEqual(
    reasons.map((answer) => 'reason' in answer && answer.reason),
    ['SPLIT', 'TARGETING_MATCH'],
  );
});

test('the default in the code is a good answer without a value', () => {
  assert.deepEqual(ask('code-default'), { status: 200, key: 'code-default', reason: 'DEFAULT' });
});

test('a rollout for who has no targeting key serves the off variant', () => {
  const answer = ask('ramp');
  assert.deepEqual([answer.status, 'value' in answer && answer.value], [200, false]);
});

test('a flag that is not there and one that a client may not see are one answer', () => {
  const missing = singleAnswer(environment, 'secret', {}, 'flags-client', 0);
  assert.equal(missing.status, 404);
  assert.deepEqual(JSON.parse(missing.body), {
    key: 'secret',
    errorCode: 'FLAG_NOT_FOUND',
    errorDetails: 'There is no such flag here.',
  });
  assert.equal(ask('secret').status, 200);
  const { body } = singleAnswer(environment, 'none', {}, 'flags-server', 0);
  assert.equal(body.replace('none', 'secret'), missing.body);
  assert.equal(ask('__proto__').status, 404);
});

test('rules that fail are told to servers in full, and to clients without a word of the rules', () => {
  const [server, client] = [ask('broken', { plan: 'pro' }), ask('broken', { plan: 'pro' }, 'flags-client')];
  assert.deepEqual([server.status, 'errorCode' in server && server.errorCode], [400, 'GENERAL']);
  assert.match(JSON.stringify(server), /internal-/);
  assert.doesNotMatch(JSON.stringify(client), /internal-|pro/);
});

test('the list holds what the key may see, failures too, and without code defaults on demand', () => {
  const listed = (use: 'flags-server' | 'flags-client', omitCodeDefaults: boolean) => {
    const members = [...environment.flags.values()].map((flag) =>
      listedText(flag, { targetingKey: 'joe' }, { use, omitCodeDefaults }, 0),
    );
    const body = bulkText(members.filter((one) => one !== null).join(), []);
    assert.equal(ofrepFault('bulk', 200, body), null, body);
    return ofrepBulkSchema.parse(JSON.parse(body)).flags.map(({ key }) => key);
  };
  const all = [...environment.flags.keys()];
  assert.deepEqual(listed('flags-server', false), all);
  assert.deepEqual(
    listed('flags-client', false),
    all.filter((key) => key !== 'secret'),
  );
  assert.deepEqual(
    listed('flags-server', true),
    all.filter((key) => key !== 'code-default'),
  );
});

test('streams of changes are told beside the flags', () => {
  const stream = {
    type: 'sse',
    endpoint: { requestUri: '/flags/changes?token=a' },
    inactivityDelaySec: 120,
  } as const;
  const body = bulkText('', [stream]);
  assert.equal(ofrepFault('bulk', 200, body), null);
  assert.deepEqual(ofrepBulkSchema.parse(JSON.parse(body)), { flags: [], eventStreams: [stream] });
});

test('the rules that answers are held against refuse what OFREP has not', () => {
  for (const [status, body] of [
    [200, { key: 'a', reason: 'ERROR' }],
    [200, { key: 'a', reason: 'STATIC', value: null }],
    [200, { key: 'a', reason: 'STATIC', metadata: { a: {} } }],
    [400, { errorCode: 'GENERAL' }],
    [404, { key: 'a', errorCode: 'GENERAL' }],
  ] as const) {
    assert.notEqual(ofrepFault('single', status, JSON.stringify(body)), null);
  }
});
