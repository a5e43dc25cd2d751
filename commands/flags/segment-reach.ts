/** Which flags a change of segments reaches: those that name them, through other segments or flags too. */
import type { When } from '../../schemas/flag-values.ts';
import type { Json } from '../../schemas/json.ts';
import { withDependents } from './check-environment.ts';
import type { EnvironmentFlag, EnvironmentState } from './environment-state.ts';

type Shape = Pick<EnvironmentState, 'flags' | 'segments'>;

/** Segments that a rule names itself; `ANY`: imported logic refers to something, whatever it is. */
type Named = ReadonlySet<string>;
const ANY = '*';

/** Rules are never changed in place: what one names is found once. */
const named = new WeakMap<object, Named>();

/** @param changed keys of segments, those that are gone too */
export function flagsReached(environment: Shape, changed: Iterable<string>): ReadonlySet<string> {
  const segments = new Set(changed);
  if (segments.size === 0) return new Set();
  segments.add(ANY);
  for (let before = 0; before < segments.size; ) {
    before = segments.size;
    for (const [key, when] of environment.segments) if (isNamed(segments, namedBy(when))) segments.add(key);
  }
  const reached = new Set<string>();
  for (const flag of environment.flags.values()) {
    if (isNamed(segments, namedByFlag(flag))) reached.add(flag.key);
  }
  return withDependents(environment.flags, reached);
}

function isNamed(segments: ReadonlySet<string>, names: Named): boolean {
  for (const name of names) if (segments.has(name)) return true;
  return false;
}

function namedByFlag({ settings }: EnvironmentFlag): Named {
  return once(settings, (add) => {
    for (const { when } of settings.rules) for (const name of namedBy(when)) add(name);
    const { fallthrough } = settings;
    if ('logic' in fallthrough && refers(fallthrough.logic)) add(ANY);
  });
}

function namedBy(when: When): Named {
  return once(when, (add) => {
    if ('segment' in when) add(when.segment);
    else if ('logic' in when) {
      if (refers(when.logic)) add(ANY);
    } else if ('not' in when) for (const name of namedBy(when.not)) add(name);
    else if (!('attribute' in when)) {
      for (const one of 'all' in when ? when.all : when.any) for (const name of namedBy(one)) add(name);
    }
  });
}

function once(rule: object, find: (add: (name: string) => void) => void): Named {
  let names = named.get(rule) as Set<string> | undefined;
  if (!names) {
    names = new Set();
    const found = names;
    find((name) => found.add(name));
    named.set(rule, names);
  }
  return names;
}

function refers(logic: Json): boolean {
  return JSON.stringify(logic).includes('"$ref"');
}
