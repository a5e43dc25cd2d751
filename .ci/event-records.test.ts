import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { eventCatalogue } from '../schemas/events/catalogue.ts';
import { defineEvent, type EventDefinition } from '../schemas/events/definition.ts';
import { personal } from '../schemas/personal.ts';
import { type EventRecords, eventFaults, readRecords, recordOf, writeNewRecords } from './event-records.ts';

const first = defineEvent(
  1,
  z.strictObject({ noteId: z.string(), text: personal(z.string()), color: z.enum(['red', 'blue']) }),
);
const secondSchema = z.strictObject({
  noteId: z.string(),
  text: personal(z.string()),
  color: z.strictObject({ name: z.string(), dark: z.boolean() }),
});
const lifted = (data: Record<string, unknown>) => ({ ...data, color: { name: data.color, dark: false } });
const second = defineEvent(2, secondSchema, [lifted]);

const catalogueOf = (definition: EventDefinition) => new Map([['note.pinned', definition]]);

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'plinth-records-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('every event is as it is recorded, and every past version still reads', () => {
  assert.deepEqual(eventFaults(eventCatalogue, readRecords()), []);
  let samples = 0;
  for (const versions of readRecords().values())
    for (const record of versions.values()) samples += record.samples.length;
  assert.ok(samples >= 2 * eventCatalogue.size);
});

test('a version that is not recorded is told, and recorded once: a second run writes nothing', (t) => {
  const folder = folderOf(t);
  assert.match(eventFaults(catalogueOf(first), readRecords(folder))[0]!, /version 1 has no record yet: run/);
  assert.deepEqual(writeNewRecords(catalogueOf(first), folder), ['note.pinned/v1.json']);
  const file = join(folder, 'note.pinned/v1.json');
  const text = readFileSync(file, 'utf8');
  assert.deepEqual(eventFaults(catalogueOf(first), readRecords(folder)), []);

  const changed = defineEvent(1, first.schema.extend({ more: z.string() }));
  assert.deepEqual(writeNewRecords(catalogueOf(changed), folder), []);
  assert.equal(readFileSync(file, 'utf8'), text);
});

test('a change within a version names the event, the field, the rule and what to do', (t) => {
  const folder = folderOf(t);
  writeNewRecords(catalogueOf(first), folder);
  const changed = defineEvent(1, first.schema.extend({ color: z.enum(['red', 'blue', 'green']) }));
  assert.deepEqual(eventFaults(catalogueOf(changed), readRecords(folder)), [
    'note.pinned version 1, color: it may have a value now that whoever reads this version does not know ' +
      '("green") [value-added]. Undo it, or raise the event to version 2 with an upcaster from 1 and run ' +
      '`npm run events`.',
  ]);
});

test('the same change under a new version with an upcaster is fine once it is recorded', (t) => {
  const folder = folderOf(t);
  writeNewRecords(catalogueOf(first), folder);
  assert.match(eventFaults(catalogueOf(second), readRecords(folder))[0]!, /version 2 has no record yet/);
  assert.deepEqual(writeNewRecords(catalogueOf(second), folder), ['note.pinned/v2.json']);
  const records = readRecords(folder);
  assert.deepEqual(eventFaults(catalogueOf(second), records), []);
  assert.deepEqual(records.get('note.pinned')!.get(2)!.lifted, {
    1: [
      { noteId: 'note id', text: 'text', color: { name: 'red', dark: false } },
      { noteId: 'note id', text: null, color: { name: 'blue', dark: false } },
    ],
  });
});

test('an upcaster that changes what it makes, or makes what does not fit, is told', (t) => {
  const folder = folderOf(t);
  writeNewRecords(catalogueOf(first), folder);
  writeNewRecords(catalogueOf(second), folder);
  const records = readRecords(folder);
  const darker = defineEvent(2, secondSchema, [
    (data) => ({ ...data, color: { name: data.color, dark: true } }),
  ]);
  const faults = eventFaults(catalogueOf(darker), records);
  assert.equal(faults.length, 2);
  assert.match(
    faults[0]!,
    /^note\.pinned version 1, sample 1: lifted to version 2 it is not what the record/,
  );
  const lazy = defineEvent(2, secondSchema, [(data) => data]);
  assert.ok(
    eventFaults(catalogueOf(lazy), records).some((fault) =>
      /does not fit the schema of version 2: color/.test(fault),
    ),
  );
});

test('an upcaster that cannot do without a field that may be erased is told', (t) => {
  const folder = folderOf(t);
  writeNewRecords(catalogueOf(first), folder);
  const trusting = defineEvent(2, z.strictObject({ noteId: z.string(), text: z.string() }), [
    ({ noteId, text }) => ({ noteId, text: text ?? undefined }),
  ]);
  const past = readRecords(folder).get('note.pinned')!;
  const records: EventRecords = new Map([
    ['note.pinned', new Map([...past, [2, recordOf('note.pinned', trusting, past)]])],
  ]);
  assert.ok(
    eventFaults(catalogueOf(trusting), records).some((fault) =>
      /sample 1: .* with its personal fields erased: text/.test(fault),
    ),
  );
});

test('an event type that is gone, a version that fell, and a record in the wrong place are told', (t) => {
  const folder = folderOf(t);
  writeNewRecords(catalogueOf(first), folder);
  writeNewRecords(catalogueOf(second), folder);
  assert.match(
    eventFaults(new Map(), readRecords(folder))[0]!,
    /^note\.pinned: it is not in the catalogue any more/,
  );
  assert.match(eventFaults(catalogueOf(first), readRecords(folder))[0]!, /versions only rise/);
  const text = readFileSync(join(folder, 'note.pinned/v1.json'), 'utf8');
  writeFileSync(join(folder, 'note.pinned/v3.json'), text);
  assert.throws(() => readRecords(folder), /v3\.json is the record of note\.pinned\/v1\.json/);
});
