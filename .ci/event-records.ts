/**
 * The committed record of every version of every event, in `test/golden/events/<type>/v<n>.json`: its
 * schema, samples, and what samples of each version before become when they are lifted to it. A record is
 * written once and never again: the events that it speaks of are in logs.
 */
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import type { EventDefinition } from '../schemas/events/definition.ts';
import { eventSchema, personalFieldsOf } from '../schemas/events/event-schema.ts';
import { samplesOf } from '../schemas/events/samples.ts';
import type { JsonSchema } from '../schemas/json-schema.ts';
import { breaksBetween, rules } from './event-compatibility.ts';

type Data = Record<string, unknown>;
export type Catalogue = ReadonlyMap<string, EventDefinition>;

export interface EventRecord {
  readonly type: string;
  readonly version: number;
  /** Of the data, personal fields in the clear and marked. */
  readonly schema: JsonSchema;
  readonly samples: readonly Data[];
  /** By earlier version: what its samples are at this one, in their order. */
  readonly lifted: Readonly<Record<string, readonly Data[]>>;
}

/** By type, then by version. */
export type EventRecords = ReadonlyMap<string, ReadonlyMap<number, EventRecord>>;

export const RECORDS_FOLDER = fileURLToPath(new URL('../test/golden/events', import.meta.url));

export function readRecords(folder = RECORDS_FOLDER): EventRecords {
  const records = new Map<string, Map<number, EventRecord>>();
  for (const file of globSync('*/v*.json', { cwd: folder }).sort()) {
    const record = JSON.parse(readFileSync(join(folder, file), 'utf8')) as EventRecord;
    if (file !== fileOf(record)) throw new Error(`${file} is the record of ${fileOf(record)}`);
    const versions = records.get(record.type) ?? new Map<number, EventRecord>();
    records.set(record.type, versions.set(record.version, record));
  }
  return records;
}

/** Writes the records of versions that have none, and answers their files. */
export function writeNewRecords(catalogue: Catalogue, folder = RECORDS_FOLDER): readonly string[] {
  const records = readRecords(folder);
  const written: string[] = [];
  for (const [type, definition] of catalogue) {
    const past = records.get(type) ?? new Map<number, EventRecord>();
    if (past.has(definition.version)) continue;
    const record = recordOf(type, definition, past);
    const path = join(folder, fileOf(record));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify(record, null, 2)}\n`, { flag: 'wx' });
    written.push(fileOf(record));
  }
  return written;
}

export function recordOf(
  type: string,
  definition: EventDefinition,
  past: ReadonlyMap<number, EventRecord>,
): EventRecord {
  const { version } = definition;
  const schema = eventSchema(definition);
  const lifted: Record<string, readonly Data[]> = {};
  for (let from = 1; from < version; from++) {
    const record = past.get(from);
    if (!record) throw new Error(`${type}: there is no record of version ${from}`);
    lifted[from] = record.samples.map((sample) => lift(definition, from, sample));
  }
  return {
    type,
    version,
    schema: wordless(schema) as JsonSchema,
    samples: samplesOf(schema) as readonly Data[],
    lifted,
  };
}

/** What is wrong, a sentence each; none where every past version still reads, and no reader is cut off. */
export function eventFaults(catalogue: Catalogue, records: EventRecords): readonly string[] {
  const gone = [...records.keys()].filter((type) => !catalogue.has(type));
  return [
    ...gone.map((type) => `${type}: it is not in the catalogue any more, and logs hold events of this type`),
    ...[...catalogue].flatMap(([type, definition]) => faultsOf(type, definition, records.get(type))),
  ];
}

function faultsOf(
  type: string,
  definition: EventDefinition,
  records: ReadonlyMap<number, EventRecord> = new Map(),
): readonly string[] {
  const { version } = definition;
  const current = records.get(version);
  const newer = [...records.keys()].filter((recorded) => recorded > version);
  if (newer.length > 0) {
    return [
      `${type}: it is at version ${version}, and version ${Math.max(...newer)} is recorded: versions only rise`,
    ];
  }
  if (!current)
    return [`${type}: version ${version} has no record yet: run \`npm run events\` and commit it`];
  const broken = breaksBetween(current.schema, eventSchema(definition)).map(
    ({ field, rule, detail }) =>
      `${type} version ${version}, ${field || 'the data'}: ${rules[rule]}${detail && ` (${detail})`} [${rule}]. ` +
      `Undo it, or raise the event to version ${version + 1} with an upcaster from ${version} and run \`npm run events\`.`,
  );
  return [...broken, ...[...records.values()].flatMap((record) => liftFaults(definition, record, records))];
}

function liftFaults(
  definition: EventDefinition,
  { type, version: from, schema, samples }: EventRecord,
  records: ReadonlyMap<number, EventRecord>,
): readonly string[] {
  const faults: string[] = [];
  const tell = (at: number, what: string) =>
    faults.push(
      `${type} version ${from}, sample ${at + 1}: ${what}. Mend the upcasters: such events are in logs.`,
    );
  const erased = Object.fromEntries(personalFieldsOf(schema).map((name) => [name, null]));
  for (const [at, sample] of samples.entries()) {
    for (let to = from + 1; to <= definition.version; to++) {
      const expected = records.get(to)?.lifted[from]?.[at];
      if (!isDeepStrictEqual(lift(definition, from, sample, to), expected)) {
        tell(at, `lifted to version ${to} it is not what the record of version ${to} says`);
      }
    }
    for (const [data, how] of [
      [sample, ''],
      [{ ...sample, ...erased }, ' with its personal fields erased'],
    ] as const) {
      const { error } = definition.schema.safeParse(lift(definition, from, data));
      if (error) {
        const fields = error.issues.map((issue) => `${issue.path.join('.')} (${issue.code})`);
        tell(at, `it does not fit the schema of version ${definition.version}${how}: ${fields.join(', ')}`);
      }
    }
  }
  return faults;
}

function lift({ version, upcasters }: EventDefinition, from: number, data: Data, to = version): Data {
  let lifted = structuredClone(data);
  for (let at = from; at < to; at++) lifted = upcasters[at - 1]!(lifted);
  // As JSON has it: what is undefined is not there.
  return JSON.parse(JSON.stringify(lifted)) as Data;
}

function fileOf({ type, version }: Pick<EventRecord, 'type' | 'version'>): string {
  return join(type, `v${version}.json`);
}

/** Without what only people read, which may change at any time. */
function wordless(value: unknown, isNames = false): unknown {
  if (Array.isArray(value)) return value.map((member) => wordless(member));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => isNames || (name !== 'description' && name !== 'title'))
      .map(([name, member]) => [name, wordless(member, !isNames && name === 'properties')]),
  );
}

if (import.meta.main) {
  const { eventCatalogue } = await import('../schemas/events/catalogue.ts');
  const written = writeNewRecords(eventCatalogue);
  for (const file of written) console.log(`recorded ${file}`);
  if (written.length === 0) console.log('every version of every event is recorded');
}
