/** The small readers of headers, each against what it takes and what it refuses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FastifyRequest } from 'fastify';
import { systemRandom } from '../../infra/system-clock.ts';
import type { Epoch } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { demandAcceptable } from './accept.ts';
import { bearerToken } from './bearer.ts';
import { idempotencyKeyOf } from './idempotency-key.ts';
import { ifMatchVersion } from './if-match.ts';
import { positionOf } from './position.ts';
import { requestIdOf } from './request-id.ts';
import { traceContext, validTraceparent } from './trace-context.ts';

const code = (wanted: string) => (error: unknown) =>
  error instanceof PlinthError && error.rejection.code === wanted;

test('a bearer token is taken whatever the case of its scheme, and nothing else is', () => {
  assert.equal(bearerToken('Bearer abc'), 'abc');
  assert.equal(bearerToken('bearer  a-b._~+/='), 'a-b._~+/=');
  for (const missing of [undefined, '']) {
    assert.throws(() => bearerToken(missing), code('credential_missing'));
  }
  for (const bad of [
    'abc',
    'Bearer',
    'Bearer ',
    'Basic abc',
    'Bearer a b',
    'Bearer é',
    `Bearer ${'x'.repeat(600)}`,
  ]) {
    assert.throws(() => bearerToken(bad), code('credential_invalid'), bad);
  }
});

test('the refusal of a credential does not repeat it', () => {
  try {
    bearerToken('Bearer secret one');
    assert.fail('it was taken');
  } catch (error) {
    assert.ok(!JSON.stringify((error as PlinthError).rejection).includes('secret one'));
  }
});

test('an idempotency key is 1 to 255 visible ASCII characters', () => {
  assert.equal(idempotencyKeyOf(undefined), undefined);
  assert.equal(idempotencyKeyOf('a'), 'a');
  assert.equal(idempotencyKeyOf('~'.repeat(255)), '~'.repeat(255));
  for (const bad of ['', ' ', 'a b', 'é', '~'.repeat(256), ['a', 'b']]) {
    assert.throws(() => idempotencyKeyOf(bad), code('invalid_request'));
  }
});

test('If-Match names a version, or anything, or nothing that can match', () => {
  assert.equal(ifMatchVersion(undefined), undefined);
  assert.equal(ifMatchVersion('*'), undefined);
  assert.equal(ifMatchVersion(' "42" '), 42);
  for (const other of ['W/"42"', '"abc"', '""', '"0"', '"042"', '"9999999999999999999"']) {
    assert.throws(() => ifMatchVersion(other), code('precondition_failed'), other);
  }
  for (const bad of ['42', '', '"1", "2"', `"${'1'.repeat(300)}"`]) {
    assert.throws(() => ifMatchVersion(bad), code('invalid_request'), bad);
  }
});

test('a position is of this history, or gone, or none at all', () => {
  const epoch = '6f1c7c1e-7a51-4f0e-8a11-0c6a2a4f9b01' as Epoch;
  assert.equal(positionOf(undefined, epoch), undefined);
  assert.equal(positionOf(`${epoch}.00000000000000000012`, epoch), '00000000000000000012');
  assert.equal(positionOf(`${epoch}.`, epoch), '');
  const other = epoch.replace('6', '7') as Epoch;
  assert.throws(() => positionOf(`${other}.00000000000000000012`, epoch), code('epoch_gone'));
  for (const bad of ['', '12', `${epoch}.12`, epoch, ['a', 'b']]) {
    assert.throws(() => positionOf(bad, epoch), code('invalid_request'));
  }
});

test('a sane request id is kept, and any other replaced by one of ours', () => {
  assert.equal(requestIdOf(systemRandom, 'abc-1.2:3_4'), 'abc-1.2:3_4');
  for (const odd of [undefined, '', 'a b', 'é', 'x'.repeat(129), ['a', 'b']]) {
    assert.match(requestIdOf(systemRandom, odd), /^req_[A-Za-z0-9_-]{20}$/);
  }
});

test('a valid traceparent is kept as the origin, and never becomes our own trace', () => {
  const sent = `00-${'1a'.repeat(16)}-${'2b'.repeat(8)}-01`;
  const trace = traceContext(systemRandom, sent);
  assert.equal(trace.origin, sent);
  assert.notEqual(trace.traceId, '1a'.repeat(16));
  assert.ok(validTraceparent(trace.traceparent));
  for (const bad of [
    '',
    `ff-${'1a'.repeat(16)}-${'2b'.repeat(8)}-01`,
    `00-${'0'.repeat(32)}-${'2b'.repeat(8)}-01`,
    `00-${'1a'.repeat(16)}-${'0'.repeat(16)}-01`,
    `00-${'1A'.repeat(16)}-${'2b'.repeat(8)}-01`,
    `${sent}-more`,
  ]) {
    assert.equal(traceContext(systemRandom, bad).origin, null, bad);
  }
});

test('Accept is honoured with its ranges and its refusals', () => {
  const types = ['application/json', 'application/problem+json'];
  const demand = (accept: string | undefined) =>
    demandAcceptable({ headers: { accept } } as unknown as FastifyRequest, types);
  for (const good of [
    undefined,
    '*/*',
    'application/*',
    'text/html, */*;q=0.1',
    'APPLICATION/JSON',
    'application/json;q=0.5',
    'application/problem+json',
  ]) {
    demand(good);
  }
  for (const bad of ['text/html', 'image/*', 'application/json;q=0', 'nonsense', ';;;']) {
    assert.throws(() => demand(bad), code('not_acceptable'), bad);
  }
});
