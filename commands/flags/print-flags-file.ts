/** Writes a flags file, shortly where that says the same: docs/flags-file.md. Read again it is what it was. */
import { stringify } from 'yaml';
import { type FlagSettings, type Rollout, type Serve, WHOLE } from '../../schemas/flag-values.ts';
import type { FlagOfFile, FlagsFile } from '../../schemas/flags-file.ts';
import type { Json, JsonObject } from '../../schemas/json.ts';
import { BY_DEFAULT } from './flags-file-short-forms.ts';

export function printFlagsFile({ project, segments, flags }: FlagsFile): string {
  const file: JsonObject = {
    project,
    ...(Object.keys(segments).length > 0 && { segments: segments as unknown as Json }),
    flags: Object.fromEntries(Object.entries(flags).map(([key, flag]) => [key, flagShort(flag)])),
  };
  return stringify(file, { version: '1.2', schema: 'core', lineWidth: 110, aliasDuplicateObjects: false });
}

function flagShort(flag: FlagOfFile): JsonObject {
  const { type, kind, owner, tags, clientVisible, expiresAt, permanent, jsonSchema, variants, environments } =
    flag;
  const { team, person } = owner;
  const settings = Object.entries(environments).map(([environment, one]) => [
    environment,
    settingsShort(one, Object.keys(variants)),
  ]);
  return {
    type,
    kind,
    ...((team !== null || person !== null) && {
      owner: { ...(team !== null && { team }), ...(person !== null && { person }) },
    }),
    ...(tags.length > 0 && { tags }),
    ...(clientVisible && { clientVisible }),
    ...(expiresAt !== null && { expiresAt: expiresAt.replace(/T00:00:00Z$/, '') }),
    ...(permanent && { permanent }),
    variants: variants as JsonObject,
    ...(jsonSchema !== null && { jsonSchema: jsonSchema as JsonObject }),
    ...(settings.length > 0 && { environments: Object.fromEntries(settings) as JsonObject }),
  };
}

function settingsShort(settings: FlagSettings, variants: readonly string[]): JsonObject {
  const { mode, offVariant, prerequisites, targets, rules, fallthrough } = settings;
  return {
    ...(mode !== 'on' && { mode }),
    off: offVariant,
    ...(prerequisites.length > 0 && { requires: mapOf(prerequisites, 'flag', 'variants') }),
    ...(targets.length > 0 && { targets: mapOf(targets, 'variant', 'keys') }),
    ...(rules.length > 0 && {
      rules: rules.map(({ id, when, serve }) => ({
        id,
        when: when as unknown as Json,
        ...serveShort(serve, offVariant, variants),
      })),
    }),
    ...('codeDefault' in fallthrough || 'logic' in fallthrough
      ? fallthrough
      : serveShort(fallthrough, offVariant, variants)),
  };
}

function serveShort(serve: Serve, off: string, variants: readonly string[]): JsonObject {
  if ('variant' in serve) return { serve: serve.variant };
  return { rollout: rolloutShort(serve.rollout, off, variants) };
}

function rolloutShort({ by, exposure, weights }: Rollout, off: string, variants: readonly string[]): Json {
  const others = variants.filter((variant) => variant !== off);
  const isPlain =
    weights.length === 1 &&
    others.length === 1 &&
    weights[0]!.variant === others[0] &&
    weights[0]!.weight === 1;
  const share = `${exposure / (WHOLE / 100)}%`;
  if (isPlain && by === BY_DEFAULT) return share;
  return {
    ...(exposure < WHOLE && { exposure: share }),
    ...(by !== BY_DEFAULT && { by }),
    ...(!isPlain && { weights: mapOf(weights, 'variant', 'weight') }),
  };
}

/** By name; a list where a map would not keep the order, or says a name twice. */
function mapOf<T>(list: readonly T[], key: keyof T & string, value: keyof T & string): Json {
  const names = list.map((one) => String(one[key]));
  const keepsOrder = new Set(names).size === names.length && !names.some((name) => /^\d+$/.test(name));
  if (!keepsOrder) return list as unknown as Json;
  return Object.fromEntries(list.map((one) => [String(one[key]), one[value] as unknown as Json]));
}
