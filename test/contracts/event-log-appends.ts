/** Contract: what an append answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Expected, InvalidAppend } from '../../commands/event-log.ts';
import { MAX_APPEND_EVENTS } from '../../schemas/envelope.ts';
import type { EventLogContractOptions } from './event-log.ts';
import { freshStream, newEvent, newEvents } from './event-log-fixtures.ts';

function invalid(reason: InvalidAppend['reason']) {
  return (error: unknown) => error instanceof InvalidAppend && error.reason === reason;
}

export function appendContract({ open, idsAreUniqueIn }: EventLogContractOptions): void {
  const cases: readonly { before: number; expected: Expected; appended: boolean }[] = [
    { before: 0, expected: 0, appended: true },
    { before: 0, expected: 'any', appended: true },
    { before: 0, expected: 1, appended: false },
    { before: 0, expected: 7, appended: false },
    { before: 3, expected: 0, appended: false },
    { before: 3, expected: 2, appended: false },
    { before: 3, expected: 3, appended: true },
    { before: 3, expected: 4, appended: false },
    { before: 3, expected: 'any', appended: true },
  ];
  for (const { before, expected, appended } of cases) {
    const stream = before === 0 ? 'a missing stream' : `a stream of ${before}`;
    const outcome = appended ? 'appends' : 'answers a conflict that names the version';
    test(`expecting ${expected} of ${stream} ${outcome}`, async (t) => {
      const { log } = await open(t);
      const id = freshStream();
      if (before > 0) await log.append(id, 0, newEvents(before));
      const headBefore = (await log.head()).position;

      const answer = await log.append(id, expected, newEvents(2));

      const events = await log.readStream(id);
      if (appended) {
        assert.ok(answer.ok);
        assert.equal(answer.version, before + 2);
        assert.equal(answer.position, events.at(-1)!.position);
        assert.ok(answer.position > headBefore);
      } else {
        assert.deepEqual(answer, { ok: false, actual: before });
      }
      assert.deepEqual(
        events.map((event) => event.version),
        Array.from({ length: before + (appended ? 2 : 0) }, (_, i) => i + 1),
      );
    });
  }

  for (const expected of [1, 'any'] as const) {
    test(`a resend of the same events, expecting ${expected}, answers the original and appends nothing`, async (t) => {
      const { log } = await open(t);
      const stream = freshStream();
      await log.append(stream, 0, [newEvent()]);
      const events = newEvents(3);
      const original = await log.append(stream, expected, events);
      await log.append(stream, 4, [newEvent()]);

      assert.deepEqual(await log.append(stream, expected, events), original);
      assert.equal((await log.readStream(stream)).length, 5);
    });
  }

  test('resends that race each other all answer the original', async (t) => {
    const { log, elsewhere = log } = await open(t);
    for (const expected of [0, 'any'] as const) {
      const stream = freshStream();
      const events = newEvents(2);
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? log : elsewhere).append(stream, expected, events)),
      );
      for (const answer of answers) assert.deepEqual(answer, answers[0]);
      assert.equal((await log.readStream(stream)).length, 2);
    }
  });

  test('an id twice in one append is refused', async (t) => {
    const { log } = await open(t);
    const event = newEvent();
    const stream = freshStream();
    await assert.rejects(log.append(stream, 0, [event, event]), invalid('duplicate_id'));
    assert.deepEqual(await log.readStream(stream), []);
  });

  test('an id that another stream, another version or part of another append has is refused', async (t) => {
    const { log } = await open(t);
    const [stream, other] = [freshStream(), freshStream()];
    const events = newEvents(2);
    await log.append(stream, 0, events);
    if (idsAreUniqueIn === 'log') {
      await assert.rejects(log.append(other, 0, events), invalid('duplicate_id'));
      await assert.rejects(log.append(other, 'any', events), invalid('duplicate_id'));
      await assert.rejects(log.append(stream, 2, events), invalid('duplicate_id'));
      await assert.rejects(log.append(stream, 'any', [newEvent(), events[0]!]), invalid('duplicate_id'));
    }
    await assert.rejects(log.append(stream, 1, events), invalid('duplicate_id'));
    await assert.rejects(log.append(stream, 0, [...events].reverse()), invalid('duplicate_id'));
    await assert.rejects(log.append(stream, 'any', [events[0]!, newEvent()]), invalid('duplicate_id'));
    await assert.rejects(log.append(stream, 0, [...events, newEvent()]), invalid('duplicate_id'));
    assert.equal((await log.readStream(stream)).length, 2);
    assert.equal((await log.readStream(other)).length, 0);
  });

  test('no events, and too many, are refused', async (t) => {
    const { log } = await open(t);
    const stream = freshStream();
    await assert.rejects(log.append(stream, 0, []), invalid('empty'));
    await assert.rejects(log.append(stream, 0, newEvents(MAX_APPEND_EVENTS + 1)), invalid('too_many'));
    assert.deepEqual(await log.append(stream, 1, [newEvent()]), { ok: false, actual: 0 });
  });

  test('the most events that an append may carry are appended in order', async (t) => {
    const { log } = await open(t);
    const stream = freshStream();
    const events = newEvents(MAX_APPEND_EVENTS);
    await log.append(stream, 0, events);
    const read = await log.readStream(stream);
    assert.deepEqual(
      read.map((event) => event.id),
      events.map((event) => event.id),
    );
  });

  test('of appends that race for one version of a stream exactly one wins', async (t) => {
    const { log, elsewhere = log } = await open(t);
    const stream = freshStream();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? log : elsewhere).append(stream, 0, [newEvent()])),
    );
    assert.equal(answers.filter((answer) => answer.ok).length, 1);
    for (const answer of answers) if (!answer.ok) assert.equal(answer.actual, 1);
  });

  test('bad appends among those that arrive together fail alone', async (t) => {
    const { log } = await open(t);
    const used = newEvent();
    const taken = freshStream();
    await log.append(taken, 0, [used]);
    const good = Array.from({ length: 30 }, () => freshStream());
    const appends = good.map((stream) => log.append(stream, 0, newEvents(2)));
    const duplicate = log.append(taken, 0, [used, newEvent()]);
    const conflict = log.append(taken, 0, [newEvent()]);
    const later = Array.from({ length: 30 }, () => log.append(freshStream(), 'any', [newEvent()]));

    await assert.rejects(duplicate, invalid('duplicate_id'));
    assert.deepEqual(await conflict, { ok: false, actual: 1 });
    for (const answer of await Promise.all([...appends, ...later])) assert.ok(answer.ok);
    for (const stream of good) assert.equal((await log.readStream(stream)).length, 2);
  });

  // One that looks at the stream alone appends both.
  if (idsAreUniqueIn === 'stream') return;
  test('two appends that bring the same new id at once: one is appended, one refused', async (t) => {
    const { log } = await open(t);
    const event = newEvent();
    const answers = await Promise.allSettled([
      log.append(freshStream(), 0, [event]),
      log.append(freshStream(), 0, [event]),
    ]);
    assert.deepEqual(answers.map((answer) => answer.status).sort(), ['fulfilled', 'rejected']);
    const refused = answers.find((answer) => answer.status === 'rejected');
    assert.ok(invalid('duplicate_id')(refused!.reason));
  });
}
