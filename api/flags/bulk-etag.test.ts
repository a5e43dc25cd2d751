import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Epoch, type Position, positionToken } from '../../schemas/envelope.ts';
import { type BulkQuestion, bulkEtag, namesEtag, positionInEtag } from './bulk-etag.ts';

const epoch = '6f1c7c1e-7a51-4f0e-8a11-0c6a2a4f9b01' as Epoch;
const other = '00000000-0000-4000-8000-000000000000' as Epoch;
const position = '00000000000000000007' as Position;
const asked: BulkQuestion = {
  use: 'flags-client',
  omitCodeDefaults: false,
  streamWindow: 3,
  context: { targetingKey: 'jane', user: { plan: 'pro', age: 7 } },
};
const etag = bulkEtag(epoch, position, asked);

test('everything that changes the answer changes the tag, and nothing else does', () => {
  const differing = [
    bulkEtag(other, position, asked),
    bulkEtag(epoch, '00000000000000000008' as Position, asked),
    bulkEtag(epoch, position, { ...asked, use: 'flags-server' }),
    bulkEtag(epoch, position, { ...asked, omitCodeDefaults: true }),
    bulkEtag(epoch, position, { ...asked, streamWindow: 4 }),
    bulkEtag(epoch, position, { ...asked, context: { targetingKey: 'joe', user: { plan: 'pro', age: 7 } } }),
    bulkEtag(epoch, position, { ...asked, context: { targetingKey: 'jane', user: { plan: 'pro', age: 8 } } }),
    bulkEtag(epoch, position, { ...asked, context: { targetingKey: 'jane' } }),
  ];
  assert.equal(new Set([etag, ...differing]).size, differing.length + 1);
  const reordered = { user: { age: 7, plan: 'pro' }, targetingKey: 'jane' };
  assert.equal(bulkEtag(epoch, position, { ...asked, context: reordered }), etag);
});

test('a tag is quoted, and has no character that a list or a header would need escaped', () => {
  assert.match(etag, /^"[0-9a-f-]{36}\.[0-9]{20}-[\w-]{22}"$/);
});

test('If-None-Match names it alone, weakly, in a list and by a star', () => {
  for (const header of [etag, `W/${etag}`, `"a", ${etag}`, `"a",W/${etag} , "b"`, '*', ' * ']) {
    assert.equal(namesEtag(header, etag), true, header);
  }
  for (const header of [undefined, '', '"a"', etag.replaceAll('"', ''), '"*"', etag.slice(0, -2)]) {
    assert.equal(namesEtag(header, etag), false, header);
  }
});

test('flagConfigEtag carries the position: as a tag, weak or bare, and as a token', () => {
  const token = positionToken(epoch, position);
  for (const text of [etag, `W/${etag}`, etag.replaceAll('"', ''), token, `"${token}"`]) {
    assert.equal(positionInEtag(text, epoch), position, text);
  }
});

test('what is no tag of ours, or one of another history, is ignored', () => {
  const bad = [undefined, null, 7, ['a'], '', '"7"', 'W/"x"', `${etag} `, 'x'.repeat(5_000), `${epoch}.7`];
  for (const text of bad) assert.equal(positionInEtag(text, epoch), undefined);
  assert.equal(positionInEtag(etag, other), undefined);
});
