/** What a file of flagd or Unleash has, put over what a project has. */
import { type ImportedFlag, type ImportFinding, importFlagd } from '../../commands/flags/import-flagd.ts';
import { importUnleash } from '../../commands/flags/import-unleash.ts';
import type { FlagKind, When } from '../../schemas/flag-values.ts';
import { type FlagOfFile, type FlagsFile, own } from '../../schemas/flags-file.ts';
import { isJsonObject, type Json } from '../../schemas/json.ts';
import { Failure } from '../failure.ts';

interface Imported extends ImportedFlag {
  readonly kind?: FlagKind;
  readonly tags?: readonly string[];
}

export interface ImportedFlags {
  readonly environments: readonly { readonly environment: string; readonly flags: readonly Imported[] }[];
  readonly segments: readonly { readonly segment: string; readonly when: When }[];
  readonly findings: readonly (ImportFinding & { readonly environment: string | null })[];
}

export const importSources = ['flagd', 'unleash'] as const;

/** `environment`: that of a flagd flag set, and of what an Unleash export does not say the environment of. */
export function importedFlags(
  source: (typeof importSources)[number],
  given: Json,
  environment: string | null,
): ImportedFlags {
  if (source === 'unleash') return importUnleash(given, environment === null ? {} : { environment });
  if (environment === null) throw new Failure('Name the environment: --environment, or PLINTH_ENVIRONMENT.');
  if (!isJsonObject(given) || given.flags === undefined)
    throw new Failure('The file is no flagd flag set: it has no flags.');
  const { flags, findings } = importFlagd(given);
  return {
    environments: [{ environment, flags }],
    segments: [],
    findings: findings.map((finding) => ({ ...finding, environment })),
  };
}

/** What somebody said of a flag that is there stays: its owner, kind, tags and end. */
export function withImported(current: FlagsFile, imported: ImportedFlags): FlagsFile {
  const flags = new Map(Object.entries(current.flags));
  const segments: Record<string, Record<string, When>> = { ...current.segments };
  for (const { environment, flags: given } of imported.environments) {
    if (imported.segments.length > 0) {
      segments[environment] = {
        ...own(segments, environment),
        ...Object.fromEntries(imported.segments.map(({ segment, when }) => [segment, when])),
      };
    }
    for (const flag of given) {
      const was = flags.get(flag.key);
      const environments = { ...was?.environments, [environment]: flag.settings };
      flags.set(flag.key, { ...beginning(flag), ...was, ...shapeOf(flag), environments });
    }
  }
  return { ...current, segments, flags: Object.fromEntries(flags) };
}

function shapeOf({ type, variants }: Imported): Pick<FlagOfFile, 'type' | 'variants'> {
  return { type, variants: variants as FlagOfFile['variants'] };
}

function beginning({ kind = 'release', tags = [] }: Imported) {
  return {
    ...{ kind, tags: [...tags], owner: { team: null, person: null } },
    ...{ clientVisible: false, expiresAt: null, permanent: false, jsonSchema: null },
  };
}
