/**
 * Flags of an Unleash as flags of environments. `userId` of its context is `targetingKey` here; other fields keep
 * their names. Unleash hashes otherwise, so every share and split is dealt out anew: each finding says of whom.
 */
import {
  type FlagKind,
  flagKeySchema,
  flagSettingsSchema,
  MAX_TAGS,
  type Prerequisite,
  type When,
  whenSchema,
} from '../../schemas/flag-values.ts';
import type { Json, JsonObject } from '../../schemas/json.ts';
import { MAX_PREREQUISITE_DEPTH } from './flag-program.ts';
import type { ImportedFlag, ImportFinding } from './import-flagd.ts';
import {
  allOf,
  constraintHolds,
  type Holds,
  NotCarried,
  texts,
  withinBounds,
} from './unleash-constraints.ts';
import {
  MAX_UNLEASH_STRATEGIES,
  readUnleash,
  text,
  type UnleashExport,
  type UnleashFeature,
} from './unleash-export.ts';
import { rulesOf, variantsIn } from './unleash-rules.ts';
import type { SegmentHolds } from './unleash-strategies.ts';
import { type FlagVariants, flagVariants, freeName, keyOf } from './unleash-variants.ts';

export interface ImportedUnleashFlag extends ImportedFlag {
  readonly kind: FlagKind;
  readonly tags: readonly string[];
}

export interface UnleashFinding extends ImportFinding {
  /** Null: of every environment. */
  readonly environment: string | null;
}

export interface UnleashImport {
  readonly environments: readonly {
    readonly environment: string;
    readonly flags: readonly ImportedUnleashFlag[];
  }[];
  /** Of every environment. */
  readonly segments: readonly { readonly segment: string; readonly when: When }[];
  readonly findings: readonly UnleashFinding[];
}

/** Never throws. `environment` names what the export does not say the environment of. */
export function importUnleash(given: Json, { environment = 'default' } = {}): UnleashImport {
  const source = readUnleash(given, environment);
  if (typeof source === 'string') {
    return {
      environments: [],
      segments: [],
      findings: [{ flag: '', environment: null, what: 'skipped', message: source }],
    };
  }
  const findings = new Map<string, UnleashFinding>();
  const find = (finding: UnleashFinding) =>
    void findings.set(JSON.stringify(Object.values(finding)), finding);
  const { segments, segment } = segmentsOf(source);
  const values = new Map<string, FlagVariants>();
  for (const feature of source.features) {
    const failed = attempt(() => {
      if (feature.archived) throw new NotCarried('it is archived');
      const { error } = flagKeySchema.safeParse(feature.name);
      if (error) throw new NotCarried(error.issues[0]!.message);
      const said = (message: string) =>
        find({ flag: feature.name, environment: null, what: 'changed', message });
      values.set(feature.name, variantsOf(feature, said));
    });
    if (failed) find({ flag: feature.name, environment: null, what: 'skipped', message: failed });
  }
  const dependent = new Set(
    source.features.flatMap(({ name, dependencies }) => (dependencies.length > 0 ? [name] : [])),
  );
  const environments = source.environments.map((name) => {
    const flags = source.features.flatMap((feature): ImportedUnleashFlag[] => {
      const own = values.get(feature.name);
      if (!own) return [];
      const said = (what: ImportFinding['what']) => (message: string) =>
        find({ flag: feature.name, environment: name, what, message });
      let flag: ImportedUnleashFlag | undefined;
      const failed = attempt(() => {
        flag = importFeature(feature, name, own, values, dependent, segment, said('changed'));
      });
      if (failed) said('skipped')(failed);
      return flag ? [flag] : [];
    });
    return { environment: name, flags: withPrerequisites(flags, name, find) };
  });
  return { environments, segments, findings: [...findings.values()] };
}

/** What kept it from being done, if anything. JSON that nests deeper than the stack reaches is a `RangeError`. */
function attempt(work: () => void): string | null {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof NotCarried) return error.message;
    if (error instanceof RangeError) return 'it is nested too deeply';
    throw error;
  }
}

function variantsOf(feature: UnleashFeature, note: (message: string) => void): FlagVariants {
  const environments = [...feature.environments.values()];
  if (environments.some(({ strategies }) => strategies.length > MAX_UNLEASH_STRATEGIES)) {
    throw new NotCarried(`it has more than ${MAX_UNLEASH_STRATEGIES} strategies`);
  }
  return flagVariants(environments.flatMap(variantsIn), note);
}

const KINDS: ReadonlyMap<string, FlagKind> = new Map([
  ['release', 'release'],
  ['experiment', 'experiment'],
  ['operational', 'ops'],
  ['kill-switch', 'ops'],
  ['permission', 'permission'],
]);

function importFeature(
  feature: UnleashFeature,
  environment: string,
  values: FlagVariants,
  ofFlags: ReadonlyMap<string, FlagVariants>,
  dependent: ReadonlySet<string>,
  segment: SegmentHolds,
  note: (message: string) => void,
): ImportedUnleashFlag {
  const { name, type, tags, dependencies } = feature;
  const here = feature.environments.get(environment)!;
  const prerequisites = dependencies.map((dependency) => prerequisiteOf(dependency, ofFlags));
  if (dependencies.some((one) => dependent.has(text(one.feature) ?? ''))) {
    note(
      'a flag that it depends on depends on another: there it was never on, here it is where both are met',
    );
  }
  const rules = rulesOf(name, here, values, segment, note);
  if (JSON.stringify(rules).includes('"rollout":')) {
    note(
      'its shares and splits are dealt out anew: Unleash hashes otherwise, and by chance who has no such attribute',
    );
  }
  const { data, error } = flagSettingsSchema.safeParse({
    mode: here.enabled ? 'on' : 'off',
    offVariant: values.off,
    prerequisites,
    ...rules,
  });
  if (error) throw new NotCarried(`${error.issues[0]!.path.join('.')}: ${error.issues[0]!.message}`);
  return {
    key: name,
    type: values.type,
    kind: KINDS.get(type) ?? 'release',
    tags: tagsOf(tags, note),
    variants: values.variants,
    settings: data,
  };
}

function prerequisiteOf(dependency: JsonObject, ofFlags: ReadonlyMap<string, FlagVariants>): Prerequisite {
  const flag = text(dependency.feature) ?? '';
  const parent = ofFlags.get(flag);
  if (!parent) throw new NotCarried(`it depends on ${JSON.stringify(flag)}, which was not carried over`);
  if (dependency.enabled === false) return { flag, variants: [parent.off] };
  const named = texts(dependency.variants);
  const variants = named.length > 0 ? named.flatMap(parent.namesOf) : parent.on;
  if (variants.length === 0) throw new NotCarried(`it depends on variants that ${flag} does not have`);
  return { flag, variants: [...new Set(variants)] };
}

/** Those whose prerequisites are there, and stand no deeper than they may. */
function withPrerequisites(
  flags: readonly ImportedUnleashFlag[],
  environment: string,
  find: (finding: UnleashFinding) => void,
): readonly ImportedUnleashFlag[] {
  const fit = new Set<string>();
  for (let depth = 0; depth <= MAX_PREREQUISITE_DEPTH; depth++) {
    const added = flags.filter(
      ({ key, settings }) => !fit.has(key) && settings.prerequisites.every(({ flag }) => fit.has(flag)),
    );
    for (const { key } of added) fit.add(key);
  }
  const message = `the flags that it depends on are not there, go in a circle, or stand more than ${MAX_PREREQUISITE_DEPTH} deep`;
  for (const { key } of flags) {
    if (!fit.has(key)) find({ flag: key, environment, what: 'skipped', message });
  }
  return flags.filter(({ key }) => fit.has(key));
}

function tagsOf(tags: UnleashFeature['tags'], note: (message: string) => void): readonly string[] {
  const written = tags.map(({ type, value }) => {
    const tag = type === 'simple' ? value : `${type}:${value}`;
    return tag
      .toLowerCase()
      .replace(/[^a-z0-9._:/-]+/g, '-')
      .replace(/^[^a-z0-9]+/, '')
      .slice(0, 50);
  });
  const kept = [...new Set(written.filter((tag) => tag !== ''))].slice(0, MAX_TAGS);
  if (kept.length < tags.length) note(`${tags.length - kept.length} of its tags are left out`);
  return kept;
}

/** Segments under keys of ours, and how a rule names one. */
function segmentsOf({
  segments: named,
}: UnleashExport): Pick<UnleashImport, 'segments'> & { segment: SegmentHolds } {
  const keys: Record<string, true> = {};
  const segments: { segment: string; when: When }[] = [];
  const found = new Map<string, { holds: Holds; notes: string[] } | string>();
  for (const [id, { name, constraints }] of named) {
    const notes: string[] = [];
    const failed = attempt(() => {
      if (!constraints) {
        throw new NotCarried(
          'the export does not say whom it is: put in its constraints (GET /api/admin/segments)',
        );
      }
      const holds = withinBounds(
        allOf(constraints.map((one) => constraintHolds(one, (note) => notes.push(note)))),
      );
      if (typeof holds === 'boolean') return void found.set(id, { holds, notes });
      const segment = freeName(keyOf(name, 'segment'), keys);
      keys[segment] = true;
      segments.push({ segment, when: whenSchema.parse(holds) });
      found.set(id, { holds: { segment }, notes });
    });
    if (failed) found.set(id, failed);
  }
  return {
    segments,
    segment(id, note) {
      const one = found.get(id);
      const label = `segment ${JSON.stringify(named.get(id)?.name ?? id)}`;
      if (one === undefined) throw new NotCarried(`${label} is not in the export`);
      if (typeof one === 'string') throw new NotCarried(`${label}: ${one}`);
      for (const message of one.notes) note(`${label}: ${message}`);
      return one.holds;
    },
  };
}
