/** Which flags a change of segments reaches: those that name them, through other segments or flags too. */
import { withDependents } from './check-environment.ts';
import type { EnvironmentState } from './environment-state.ts';
import { segmentsNamed, segmentsNamedBySettings } from './named-segments.ts';

/** @param changed keys of segments, those that are gone too */
export function flagsReached(
  { flags, segments }: Pick<EnvironmentState, 'flags' | 'segments'>,
  changed: Iterable<string>,
): ReadonlySet<string> {
  const reached = new Set(changed);
  if (reached.size === 0) return reached;
  for (let before = 0; before < reached.size; ) {
    before = reached.size;
    for (const [key, when] of segments) {
      if (segmentsNamed(when).some((name) => reached.has(name))) reached.add(key);
    }
  }
  const naming = [...flags.values()].filter(({ settings }) =>
    segmentsNamedBySettings(settings).some((name) => reached.has(name)),
  );
  return withDependents(
    flags,
    naming.map(({ key }) => key),
  );
}
