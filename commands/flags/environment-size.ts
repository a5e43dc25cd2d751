/**
 * How much of an environment is compiled wherever it is loaded: its rules as JSON, with the segments and
 * prerequisites of each flag written out where they are used. 1,000,000 characters take about 0.1 s and 20 MB.
 */
import type { EnvironmentFlag, EnvironmentState } from './environment-state.ts';
import { MAX_PREREQUISITE_DEPTH } from './flag-program.ts';
import { InvalidFlag } from './invalid-flag.ts';
import { segmentsNamedBySettings } from './named-segments.ts';
import type { Segments } from './segments.ts';

export const MAX_ENVIRONMENT_CHARACTERS = 20_000_000;

/** Settings are never changed in place: they are measured once. */
const measured = new WeakMap<object, number>();

/** Throws `InvalidFlag` for one that is too large. */
export function checkSize(
  { flags, segments }: Pick<EnvironmentState, 'flags' | 'segments'>,
  compiled: Segments,
): void {
  const sizes = new Map<string, number>();
  const sizeOf = ({ key, settings }: EnvironmentFlag, depth = 0): number => {
    const known = sizes.get(key);
    if (known !== undefined) return known;
    let size = ownSize(settings);
    for (const name of segmentsNamedBySettings(settings)) {
      if (segments.has(name)) size += compiled.characters(name);
    }
    // What stands too deep is told where it is compiled.
    for (const { flag } of depth < MAX_PREREQUISITE_DEPTH ? settings.prerequisites : []) {
      const other = flags.get(flag);
      if (other) size += sizeOf(other, depth + 1);
    }
    sizes.set(key, size);
    return size;
  };
  let total = 0;
  for (const flag of flags.values()) {
    if (!flag.archived) total += sizeOf(flag);
    if (total > MAX_ENVIRONMENT_CHARACTERS) {
      throw new InvalidFlag(
        `the rules of the environment have more than ${MAX_ENVIRONMENT_CHARACTERS} characters, with segments and prerequisites written out where they are used`,
      );
    }
  }
}

function ownSize(settings: EnvironmentFlag['settings']): number {
  let size = measured.get(settings);
  if (size === undefined) {
    size = JSON.stringify(settings).length;
    measured.set(settings, size);
  }
  return size;
}
