import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { START } from '../../schemas/envelope.ts';
import { asAppended, freshStream, newEvent, newEvents } from '../../test/contracts/event-log-fixtures.ts';
import { openTestLog } from '../../test/support/postgres-log.ts';
import { DamagedBackup } from './backup-file.ts';
import { exportKeys, importKeys, type KeyBackup, type KeyRow, WrongKeyring } from './key-backup.ts';
import { exportLog, holdsBackup, importLog } from './log-backup.ts';
import { logStatistics } from './log-statistics.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'plinth-backup-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function filledLog(t: TestContext) {
  const opened = await openTestLog(t);
  const stream = freshStream();
  await opened.log.append(stream, 0, newEvents(600));
  await opened.log.append(freshStream('other'), 'any', [
    newEvent({
      data: Uint8Array.of(0, 255, 10, 13),
      metadata: new Uint8Array(0),
      type: 'other.named "é\u2028"',
    }),
  ]);
  await assert.rejects(
    opened.log.append(freshStream(), 0, (await opened.log.readStream(stream)).slice(0, 1)),
  );
  await opened.log.append(stream, 600, newEvents(900));
  return opened;
}

test('an exported log imports as it was, under a new epoch, and goes on', async (t) => {
  const from = await filledLog(t);
  const to = await openTestLog(t);
  const path = join(await folder(t), 'log.ndjson');
  const progress: number[] = [];

  const exported = await exportLog({ ...from, path, onProgress: ({ done }) => progress.push(done) });
  assert.equal(exported.events, 1501);
  assert.deepEqual(progress, [1000, 1501]);
  assert.equal((await stat(path)).mode & 0o777, 0o600);

  const imported = await importLog({ ...to, path });
  assert.equal(imported.events, 1501);
  assert.notEqual(imported.epoch, exported.epoch);
  const whole = async ({ log }: typeof from) =>
    (await log.readAll(START, 10_000)).events.map((event) => ({
      ...asAppended(event),
      position: event.position,
      version: event.version,
      stream: event.stream,
    }));
  const events = await whole(to);
  assert.deepEqual(events, await whole(from));

  const next = await to.log.append(freshStream(), 0, [newEvent()]);
  assert.ok(next.ok && next.position > events.at(-1)!.position);
});

test('a log holds a backup that was imported into it, until more is appended; another log never does', async (t) => {
  const [from, to, other] = [await filledLog(t), await openTestLog(t), await filledLog(t)];
  const path = join(await folder(t), 'log.ndjson');
  await exportLog({ ...from, path });
  assert.equal(await holdsBackup({ ...to, path }), false, 'it is empty');
  assert.equal(await holdsBackup({ ...other, path }), false, 'as many events, but others');
  await importLog({ ...to, path });
  assert.equal(await holdsBackup({ ...to, path }), true);
  await to.log.append(freshStream(), 0, [newEvent()]);
  assert.equal(await holdsBackup({ ...to, path }), false, 'it went on');
});

test('an import into a log that is not empty is refused and changes nothing', async (t) => {
  const { log, pool } = await filledLog(t);
  const path = join(await folder(t), 'log.ndjson');
  await exportLog({ log, pool, path });
  const before = await log.head();
  await assert.rejects(importLog({ log, pool, path }), /not empty/);
  assert.deepEqual(await log.head(), before);
});

test('a file that was cut short or changed is refused and leaves the log empty', async (t) => {
  const from = await filledLog(t);
  const to = await openTestLog(t);
  const path = join(await folder(t), 'log.ndjson');
  await exportLog({ ...from, path });
  const whole = await readFile(path, 'utf8');
  const lines = whole.trimEnd().split('\n');
  const damaged: Record<string, string> = {
    'the end missing': `${lines.slice(0, -1).join('\n')}\n`,
    'half a line': whole.slice(0, whole.length / 2),
    'an event missing': [...lines.slice(0, 3), ...lines.slice(4)].join('\n'),
    'a byte changed': whole.replace(/"ms":1/, '"ms":2'),
    'two events swapped': [lines[0], lines[2], lines[1], ...lines.slice(3)].join('\n'),
    nothing: '',
  };
  for (const [what, text] of Object.entries(damaged)) {
    await writeFile(path, text);
    await assert.rejects(importLog({ ...to, path }), DamagedBackup, what);
    assert.equal((await to.log.head()).position, START, what);
  }
});

function memoryKeys(rows: KeyRow[]): KeyBackup {
  return {
    async *dump() {
      yield* rows;
    },
    async load(loaded) {
      const all: KeyRow[] = [];
      for await (const row of loaded) all.push(row);
      rows.push(...all);
      return all.length;
    },
  };
}

test('data keys import under the keyring that wrapped them, and under no other', async (t) => {
  const path = join(await folder(t), 'keys.ndjson');
  const rows = [
    { keyId: 'k1', wrapped: 'AAAA' },
    { keyId: 'k2', wrapped: null },
  ];
  const checkValues = { master: 'm', 'pepper 1': 'p' };
  assert.equal(await exportKeys({ keys: memoryKeys(rows), checkValues, epoch: 'e1', path }), 2);

  const target: KeyRow[] = [];
  const keys = memoryKeys(target);
  for (const other of [{ ...checkValues, master: 'x' }, { master: 'm' }]) {
    await assert.rejects(importKeys({ keys, checkValues: other, epoch: 'e1', path }), WrongKeyring);
  }
  await assert.rejects(importKeys({ keys, checkValues, epoch: 'e2', path }), /not of one backup/);
  assert.deepEqual(target, []);

  const more = { ...checkValues, 'pepper 2': 'q' };
  assert.equal(await importKeys({ keys, checkValues: more, epoch: 'e1', path }), 2);
  assert.deepEqual(target, rows);
});

test('statistics count events, streams and bytes by category and type', async (t) => {
  const { log, pool } = await filledLog(t);
  const stats = await logStatistics(pool);
  assert.equal(stats.events, 1501);
  assert.equal(stats.streams, 2);
  assert.deepEqual({ epoch: stats.epoch, position: stats.head }, await log.head());
  assert.deepEqual(
    stats.categories.map(({ category, events, streams }) => ({ category, events, streams })),
    [
      { category: 'thing', events: 1500, streams: 1 },
      { category: 'other', events: 1, streams: 1 },
    ],
  );
  assert.deepEqual(
    stats.types.map(({ type, events }) => ({ type, events })),
    [
      { type: 'thing.happened', events: 1500 },
      { type: 'other.named "é\u2028"', events: 1 },
    ],
  );
  assert.equal(
    stats.bytes,
    stats.types.reduce((sum, type) => sum + type.bytes, 0),
  );
  assert.ok(stats.diskBytes > stats.bytes);
});
