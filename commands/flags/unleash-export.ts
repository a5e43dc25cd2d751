/**
 * What Unleash gives out, in one shape. Its export (`POST /api/admin/features-batch/export`) lists rows of one
 * environment and names segments without saying whom they are; what its clients load (`GET /api/client/features`)
 * nests the same and says it.
 */
import { isJsonObject, type Json, type JsonObject } from '../../schemas/json.ts';
import { texts } from './unleash-constraints.ts';

export const MAX_UNLEASH_FEATURES = 5_000;
export const MAX_UNLEASH_SEGMENTS = 500;
export const MAX_UNLEASH_ENVIRONMENTS = 20;
export const MAX_UNLEASH_STRATEGIES = 50;
/** Of all patterns, counted in each environment: 400 of them can take 25 ms to compile. */
export const MAX_UNLEASH_PATTERN_CHARACTERS = 20_000;

export interface UnleashInEnvironment {
  readonly enabled: boolean;
  readonly strategies: readonly JsonObject[];
  readonly variants: readonly JsonObject[];
}

export interface UnleashFeature {
  readonly name: string;
  readonly type: string;
  readonly archived: boolean;
  readonly tags: readonly { readonly type: string; readonly value: string }[];
  readonly dependencies: readonly JsonObject[];
  readonly environments: ReadonlyMap<string, UnleashInEnvironment>;
}

export interface UnleashSegment {
  readonly name: string;
  /** Null: it is named, and not said whom it is. */
  readonly constraints: readonly JsonObject[] | null;
}

export interface UnleashExport {
  readonly environments: readonly string[];
  readonly features: readonly UnleashFeature[];
  /** By their ids, as texts. */
  readonly segments: ReadonlyMap<string, UnleashSegment>;
}

/** `environment`: what is not said to be of another. Rows that cannot be read are passed over; a text says why none can. */
export function readUnleash(given: Json, environment: string): UnleashExport | string {
  if (!isJsonObject(given) || !Array.isArray(given.features))
    return 'it is no export of Unleash: it has no features';
  const features = objects(given.features);
  const segments = objects(given.segments);
  if (features.length > MAX_UNLEASH_FEATURES) return `it has more than ${MAX_UNLEASH_FEATURES} features`;
  if (segments.length > MAX_UNLEASH_SEGMENTS) return `it has more than ${MAX_UNLEASH_SEGMENTS} segments`;
  const rows = objects(given.featureEnvironments);
  const environments = new Set(rows.map((row) => text(row.environment) ?? environment));
  if (environments.size > MAX_UNLEASH_ENVIRONMENTS)
    return `it has more than ${MAX_UNLEASH_ENVIRONMENTS} environments`;
  // Without such rows it is what clients load, of one environment.
  if (environments.size === 0) environments.add(environment);

  const strategies = [
    ...objects(given.featureStrategies),
    ...features.flatMap((feature) => objects(feature.strategies)),
  ];
  const patterns = [...strategies, ...segments]
    .flatMap((one) => objects(one.constraints))
    .map(({ operator, value }) => (operator === 'REGEX' ? (text(value)?.length ?? 0) : 0));
  if (
    patterns.reduce((sum, length) => sum + length, 0) * environments.size >
    MAX_UNLEASH_PATTERN_CHARACTERS
  ) {
    return `its patterns have more than ${MAX_UNLEASH_PATTERN_CHARACTERS} characters`;
  }
  const [rowsOf, strategiesOf, tagsOf, dependenciesOf] = [
    grouped(rows, 'featureName'),
    grouped(objects(given.featureStrategies), 'featureName'),
    grouped(objects(given.featureTags), 'featureName'),
    grouped(objects(given.dependencies), 'feature'),
  ];
  const inEnvironment = (feature: JsonObject, name: string, of: string): UnleashInEnvironment => {
    const row = rowsOf.get(name)?.find((one) => (text(one.environment) ?? environment) === of);
    const strategies = strategiesOf.get(name)?.filter(({ environment: at }) => at === undefined || at === of);
    return {
      enabled: (row ?? feature).enabled === true,
      strategies: strategies ?? objects(feature.strategies),
      variants: row?.variants === undefined ? objects(feature.variants) : objects(row.variants),
    };
  };
  const read = features.flatMap((feature): UnleashFeature[] => {
    const name = text(feature.name);
    if (name === null) return [];
    return [
      {
        name,
        type: text(feature.type) ?? 'release',
        archived: feature.archived === true,
        tags: (tagsOf.get(name) ?? []).map((tag) => ({
          type: text(tag.tagType) ?? 'simple',
          value: text(tag.tagValue) ?? '',
        })),
        dependencies: [
          ...(dependenciesOf.get(name) ?? []).flatMap((row) => objects(row.dependencies)),
          ...objects(feature.dependencies),
        ],
        environments: new Map([...environments].map((of) => [of, inEnvironment(feature, name, of)])),
      },
    ];
  });
  return {
    environments: [...environments],
    features: [...new Map(read.map((feature) => [feature.name, feature])).values()],
    segments: new Map(
      segments.map(({ id, name, constraints }) => [
        `${texts([id ?? null])[0] ?? ''}`,
        {
          name: text(name) ?? `segment-${texts([id ?? null])[0] ?? ''}`,
          constraints: Array.isArray(constraints) ? objects(constraints) : null,
        },
      ]),
    ),
  };
}

export function objects(list: Json | undefined): readonly JsonObject[] {
  return Array.isArray(list) ? list.filter(isJsonObject) : [];
}

export function text(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function grouped(rows: readonly JsonObject[], by: string): ReadonlyMap<string, readonly JsonObject[]> {
  return Map.groupBy(
    rows.filter((row) => text(row[by]) !== null),
    (row) => text(row[by])!,
  );
}
