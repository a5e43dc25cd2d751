import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLedger, type Entry, type Logged, replayFault, secretFault } from './ledger.ts';
import type { Answer } from './messages.ts';

type Accepted = Extract<Answer, { kind: 'accepted' }>;

const position = (n: number) => String(n).padStart(20, '0');

/** Three commands one after the other: two keys issued, the first of them rotated. */
function history(): { entries: Entry[]; events: Logged[] } {
  const at = (n: number, key: string, version: number): { entry: Entry; event: Logged } => {
    const answer: Accepted = {
      kind: 'accepted',
      replayed: false,
      version,
      position: position(n),
      events: 1,
      id: key,
      secret: `secret ${n}`,
    };
    const operation = version === 1 ? 'issue' : 'rotate';
    return {
      entry: {
        order: { operation, target: version === 1 ? null : key, idempotencyKey: `i${n}`, body: {} },
        commandId: `command ${n}`,
        client: 0,
        sentAt: n * 10,
        answeredAt: n * 10 + 5,
        answer,
        secretDigest: `digest ${n}`,
      },
      event: {
        id: `event ${n}`,
        stream: `key-${key}`,
        version,
        position: position(n),
        commandId: `command ${n}`,
        actor: 'key_admin',
        secretDigest: `digest ${n}`,
      },
    };
  };
  const all = [at(1, 'a', 1), at(2, 'b', 1), at(3, 'a', 2)];
  return { entries: all.map(({ entry }) => entry), events: all.map(({ event }) => event) };
}

const kinds = (entries: Entry[], events: Logged[]) => [
  ...new Set(checkLedger(entries, events).map((fault) => fault.kind)),
];

test('a log that holds what was acknowledged has no fault', () => {
  const { entries, events } = history();
  assert.deepEqual(checkLedger(entries, events), []);
});

test('an acknowledged event that is missing is noticed, wherever it stood', () => {
  for (const missing of [0, 1, 2]) {
    const { entries, events } = history();
    events.splice(missing, 1);
    assert.ok(kinds(entries, events).includes('lost'), `event ${missing}`);
  }
});

test('a command that stands in the log twice is noticed', () => {
  for (const [index, event] of history().events.entries()) {
    const { entries, events } = history();
    // As a second decision for the same command would have appended it.
    const versions = events.filter((other) => other.stream === event.stream).length;
    events.push({ ...event, id: `again ${index}`, version: versions + 1, position: position(9) });
    assert.deepEqual(kinds(entries, events), ['doubled'], `event ${index}`);
  }
});

test('an event that stands twice is noticed', () => {
  const { entries, events } = history();
  events.push({ ...events[2]!, position: position(9) });
  assert.ok(kinds(entries, events).includes('doubled'));
});

test('a command that came out twice, once under another command id, is noticed', () => {
  const { entries, events } = history();
  events.push({ ...events[2]!, id: 'e', commandId: 'unknown', version: 3, position: position(9) });
  assert.deepEqual(kinds(entries, events), ['doubled']);
});

test('acknowledged events that have changed places are noticed, in one stream and across streams', () => {
  const swapped = (a: number, b: number) => {
    const { entries, events } = history();
    const [x, y] = [events[a]!, events[b]!];
    events[a] = { ...y, position: x.position };
    events[b] = { ...x, position: y.position };
    return kinds(entries, events);
  };
  assert.ok(swapped(0, 2).includes('reordered'));
  assert.ok(swapped(0, 1).includes('reordered'));
  assert.ok(swapped(1, 2).includes('reordered'));
});

test('a command that stands ahead of one acknowledged before it was sent is noticed', () => {
  const { entries, events } = history();
  // Both say so: where they stand is where they were told to.
  entries[0] = { ...entries[0]!, sentAt: 26, answeredAt: 27 };
  const faults = checkLedger(entries, events);
  assert.deepEqual(
    faults.map((fault) => fault.kind),
    ['reordered'],
  );
  entries[0] = { ...entries[0]!, sentAt: 24 };
  assert.deepEqual(checkLedger(entries, events), [], 'commands that overlap may stand either way');
});

test('a refused command that stands in the log is noticed', () => {
  const { entries, events } = history();
  entries[2] = { ...entries[2]!, answer: { kind: 'rejected', code: 'conflict' } };
  assert.deepEqual(kinds(entries, events), ['doubled']);
});

test('a command that was never answered may stand in the log or not', () => {
  const { entries, events } = history();
  entries[2] = { ...entries[2]!, answer: null, answeredAt: null, secretDigest: null };
  assert.deepEqual(checkLedger(entries, events), []);
  assert.deepEqual(checkLedger(entries, events.slice(0, 2)), []);
});

test('a secret that the log does not know is noticed', () => {
  const { entries, events } = history();
  entries[0] = { ...entries[0]!, secretDigest: 'of a second decision' };
  assert.deepEqual(kinds(entries, events), ['altered']);
});

test('a retry must answer the original, as a replay and without the secret', () => {
  const entry = history().entries[0]!;
  const original = entry.answer as Accepted;
  const again: Accepted = { ...original, replayed: true, secret: null };
  assert.equal(replayFault(entry, again), null);
  const wrong: Exclude<Answer, { kind: 'failed' }>[] = [
    original,
    { ...again, replayed: false },
    { ...again, secret: 'shown' },
    { ...again, id: 'another' },
    { ...again, version: 2 },
    { ...again, position: position(8) },
    { ...again, events: 2 },
    { kind: 'rejected', code: 'conflict' },
  ];
  for (const answer of wrong) assert.equal(replayFault(entry, answer)?.kind, 'altered');
});

test('a secret is shown once, by the answer that tells of its making', () => {
  const entry = history().entries[0]!;
  const made = entry.answer as Accepted;
  assert.equal(secretFault(entry, made), null);
  assert.equal(secretFault(entry, { ...made, replayed: true, secret: null }), null);
  assert.equal(secretFault(entry, { ...made, replayed: true })?.kind, 'altered');
  assert.equal(secretFault(entry, { ...made, secret: null })?.kind, 'altered');
  const renamed = { ...entry, order: { ...entry.order, operation: 'update' as const } };
  assert.equal(secretFault(renamed, made)?.kind, 'altered');
});
