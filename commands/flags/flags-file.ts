/** Reads a flags file: docs/flags-file.md. Every fault has the line that it is on. */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  visit,
  type YAMLMap,
} from 'yaml';
import { type FlagsFile, flagsFileSchema, own } from '../../schemas/flags-file.ts';
import type { Json } from '../../schemas/json.ts';
import { flagsFileInFull } from './flags-file-short-forms.ts';

export const MAX_FLAGS_FILE_CHARACTERS = 1_048_576;
/** Places that `*name` may stand for, those inside of others counted with them. */
export const MAX_ALIASES = 100;
export const MAX_FAULTS = 50;

export interface FlagsFileFault {
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** As in the text, joined by dots; empty: the whole. */
  readonly path: string;
  readonly message: string;
}

export type ParsedFlagsFile =
  | { readonly file: FlagsFile; readonly faults?: undefined }
  | { readonly file?: undefined; readonly faults: readonly [FlagsFileFault, ...FlagsFileFault[]] };

/** Never throws, whatever the text. */
export function parseFlagsFile(text: string): ParsedFlagsFile {
  if (text.length > MAX_FLAGS_FILE_CHARACTERS) {
    return whole(`it has more than ${MAX_FLAGS_FILE_CHARACTERS} characters`);
  }
  try {
    return parsed(text);
  } catch (error) {
    if (error instanceof RangeError) return whole('it is nested too deeply');
    // The one thing that the reader of YAML throws for: too many aliases.
    if (error instanceof ReferenceError)
      return whole(`its aliases stand for more than ${MAX_ALIASES} places`);
    throw error;
  }
}

function whole(message: string): ParsedFlagsFile {
  return { faults: [{ line: 1, column: 1, path: '', message }] };
}

function parsed(text: string): ParsedFlagsFile {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    schema: 'core',
    version: '1.2',
    // It looks at each pair of keys; `unreadable` looks once.
    uniqueKeys: false,
    stringKeys: true,
    // Any quieter, and it would pass over further documents.
    logLevel: 'error',
  });
  const faults: FlagsFileFault[] = [];
  const at = (offset: number, path: string, message: string) => {
    const { line, col } = lines.linePos(offset);
    if (faults.length < MAX_FAULTS)
      faults.push({ line: Math.max(line, 1), column: Math.max(col, 1), path, message });
  };
  for (const { pos, message } of [...document.errors, ...document.warnings]) at(pos[0], '', message);
  if (faults.length === 0) unreadable(document, at);
  if (faults.length === 0) {
    const place = (path: readonly PropertyKey[], message: string) => {
      const { offset, shown, rest } = placeOf(document, path);
      at(offset, shown.join('.'), rest === '' ? message : `${rest}: ${message}`);
    };
    const given = document.toJS({ maxAliasCount: MAX_ALIASES }) as Json;
    const inFull = flagsFileInFull(given, place);
    const { data, error } = flagsFileSchema.safeParse(inFull);
    if (data && faults.length === 0) return { file: data };
    // What a short form lacks is told already; what comes of it says nothing new.
    if (error && faults.length === 0) for (const issue of error.issues) tell(issue, [], inFull, place);
  }
  const [first, ...others] = faults;
  return first ? { faults: [first, ...others] } : whole('it cannot be read');
}

/** What YAML can say and this file cannot. */
function unreadable(document: Document, at: (offset: number, path: string, message: string) => void): void {
  const offsetOf = (node: unknown) => (node as Node | null)?.range?.[0] ?? 0;
  if (document.directives?.yaml.explicit && document.directives.yaml.version !== '1.2') {
    at(0, '', 'it is read as YAML 1.2, where on and off are words');
  }
  let aliases = 0;
  const anchors = new Map<string, unknown>();
  visit(document, (_, node, path) => {
    if (isAlias(node)) {
      aliases += 1;
      const target = anchors.get(node.source);
      if (aliases > MAX_ALIASES) at(offsetOf(node), '', `it has more than ${MAX_ALIASES} aliases`);
      else if (!target) at(offsetOf(node), '', `there is no &${node.source} before *${node.source}`);
      else if (path.includes(target as Node))
        at(offsetOf(node), '', `*${node.source} stands inside of itself`);
      return aliases > MAX_ALIASES ? visit.BREAK : undefined;
    }
    if (isNode(node) && node.anchor) anchors.set(node.anchor, node);
    if (isMap(node)) tellDoubles(node, (key, message) => at(offsetOf(key), '', message));
    return undefined;
  });
}

function tellDoubles({ items }: YAMLMap, fault: (key: unknown, message: string) => void): void {
  const seen = new Set<unknown>();
  for (const { key } of items) {
    const name = isScalar(key) ? key.value : null;
    if (name === null) fault(key, 'a key is a word');
    else if (seen.has(name)) fault(key, `${String(name)} is there twice`);
    seen.add(name);
  }
}

/** What the parts are called in the text, where that is not what they are called in full. */
const WRITTEN: Readonly<Record<string, readonly string[]>> = {
  offVariant: ['off'],
  prerequisites: ['requires'],
  fallthrough: ['serve', 'rollout', 'codeDefault', 'logic'],
  serve: ['rollout'],
};

/** As far as the text has what a path leads to; `rest` is what it does not have at the end. */
function placeOf(
  document: Document,
  path: readonly PropertyKey[],
): { offset: number; shown: string[]; rest: string } {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? 0;
  const shown: string[] = [];
  let rest: string[] = [];
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    const name = String(step);
    if (isSeq(node) && typeof step === 'number' && node.items[step]) {
      node = node.items[step];
      offset = (node as Node).range?.[0] ?? offset;
      shown.push(name);
    } else {
      const names = [name, ...(own(WRITTEN, name) ?? [])];
      const pair = isMap(node)
        ? node.items.find(({ key }) => isScalar(key) && names.includes(String(key.value)))
        : undefined;
      if (!pair) {
        if (!PASSED.has(name)) rest.push(own(WRITTEN, name)?.[0] ?? name);
        continue;
      }
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
      shown.push(String((pair.key as Scalar).value));
    }
    rest = [];
  }
  return { offset, shown, rest: rest.join('.') };
}

/** Steps that short forms leave out. */
const PASSED: ReadonlySet<string> = new Set(
  'fallthrough serve variant rollout all is value weights weight variants keys 0 1 2 3 4 5 6 7 8 9'.split(
    ' ',
  ),
);

type Issue = NonNullable<ReturnType<typeof flagsFileSchema.safeParse>['error']>['issues'][number];

/** Of a choice, the branch that fits best speaks for it. */
function tell(
  issue: Issue,
  base: readonly PropertyKey[],
  given: Json,
  place: (path: readonly PropertyKey[], message: string) => void,
): void {
  const path = [...base, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) place([...path, key], 'there is no such field here');
  } else if (issue.code === 'invalid_key') {
    place(path, issue.issues[0]?.message ?? issue.message);
  } else if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const best = issue.errors.toSorted((a, b) => misfit(a) - misfit(b))[0]!;
    for (const inner of best) tell(inner, path, given, place);
  } else {
    const isThere = path.reduce<unknown>(
      (at, step) => (at as Record<PropertyKey, unknown> | null)?.[step],
      given,
    );
    place(path, isThere === undefined && path.length > 0 ? 'is required' : issue.message);
  }
}

const misfit = (issues: readonly Issue[]): number =>
  issues.reduce(
    (sum, { code, path }) => sum + (code === 'unrecognized_keys' ? 2 : path.length === 0 ? 10 : 1),
    0,
  );
