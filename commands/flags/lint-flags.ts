/** What is likely not meant in a flags file: docs/flags-file.md lists what is looked for. */
import { type FlagRule, type FlagSettings, type Serve, WHOLE, type When } from '../../schemas/flag-values.ts';
import { type FlagOfFile, type FlagsFile, own } from '../../schemas/flags-file.ts';
import { isJsonObject, type Json } from '../../schemas/json.ts';
import { servedBy } from '../../schemas/served-variants.ts';
import { compileProgram } from './compile-program.ts';
import { constantOf } from './constant-when.ts';
import { InvalidRule } from './engine/expression.ts';
import { canonical } from './flag-parts.ts';
import { type FlagInEnvironment, flagProgram } from './flag-program.ts';
import { InvalidFlag } from './invalid-flag.ts';
import { environmentsIn, segmentsIn } from './plan-flags.ts';
import { compileSegments } from './segments.ts';

export type LintRule =
  | 'cannot-be-evaluated'
  | 'prerequisite'
  | 'permanent-and-expires'
  | 'expired'
  | 'unused-variant'
  | 'unreachable-rule'
  | 'constant-rollout'
  | 'personal-rule';

export interface LintFinding {
  readonly rule: LintRule;
  /** An error would be refused when the file is applied. */
  readonly severity: 'error' | 'warning';
  /** Null: it is about segments. */
  readonly flag: string | null;
  /** Null: it is about the flag everywhere. */
  readonly environment: string | null;
  readonly message: string;
}

const ERRORS: ReadonlySet<LintRule> = new Set([
  'cannot-be-evaluated',
  'prerequisite',
  'permanent-and-expires',
]);

type Find = (rule: LintRule, flag: string | null, environment: string | null, message: string) => void;

export function lintFlags(file: FlagsFile, { nowMs }: { readonly nowMs: number }): readonly LintFinding[] {
  const findings: LintFinding[] = [];
  const find: Find = (rule, flag, environment, message) =>
    void findings.push({
      rule,
      severity: ERRORS.has(rule) ? 'error' : 'warning',
      flag,
      environment,
      message,
    });
  for (const [key, flag] of Object.entries(file.flags)) lintFlag(key, flag, nowMs, find);
  for (const environment of environmentsIn(file)) lintEnvironment(file, environment, find);
  return findings;
}

function lintFlag(key: string, flag: FlagOfFile, nowMs: number, find: Find): void {
  const { variants, expiresAt, permanent, environments } = flag;
  if (permanent && expiresAt !== null)
    find('permanent-and-expires', key, null, 'a permanent flag has no end');
  if (expiresAt !== null && Date.parse(expiresAt) <= nowMs)
    find('expired', key, null, `it expired on ${expiresAt}`);
  const everywhere = Object.values(environments);
  const used = new Set(everywhere.flatMap((settings) => servedBy(settings).map(([, variant]) => variant)));
  for (const { fallthrough } of everywhere) if ('logic' in fallthrough) addTexts(fallthrough.logic, used);
  // With nothing said of any environment nothing is served yet.
  const unused = everywhere.length === 0 ? [] : Object.keys(variants).filter((variant) => !used.has(variant));
  for (const variant of unused) find('unused-variant', key, null, `nothing serves its variant ${variant}`);
}

/** Whatever imported logic may answer: its texts, and true and false, which are variants of that name. */
function addTexts(logic: Json, texts: Set<string>): void {
  for (const truth of ['true', 'false']) texts.add(truth);
  if (typeof logic === 'string') texts.add(logic);
  else if (Array.isArray(logic)) for (const one of logic) addTexts(one, texts);
  else if (isJsonObject(logic)) for (const one of Object.values(logic)) addTexts(one, texts);
}

function lintEnvironment(file: FlagsFile, environment: string, find: Find): void {
  const segments = own(file.segments, environment) ?? {};
  const flags = new Map(
    Object.entries(file.flags).flatMap(([key, { variants, environments }]) => {
      const settings = own(environments, environment);
      // No bucket is looked at, so any seed does.
      const flag = { key, variants: variants as FlagInEnvironment['variants'], seed: '' };
      return settings ? [[key, { ...flag, settings } as FlagInEnvironment] as const] : [];
    }),
  );
  for (const [key, { settings }] of flags) {
    lintPrerequisites(key, settings, flags, (message) => find('prerequisite', key, environment, message));
    lintRules(
      settings,
      (name) => own(segments, name),
      (rule, message) => find(rule, key, environment, message),
    );
    if (file.flags[key]!.clientVisible) {
      for (const message of personalIn(settings)) find('personal-rule', key, environment, message);
    }
  }
  lintPrograms(flags, segments, environment, find);
}

function lintPrerequisites(
  key: string,
  { prerequisites }: FlagSettings,
  flags: ReadonlyMap<string, FlagInEnvironment>,
  find: (message: string) => void,
): void {
  for (const { flag, variants } of prerequisites) {
    const other = flags.get(flag);
    if (!other) find(`it requires ${flag}, which the environment does not have`);
    for (const variant of other ? variants : []) {
      if (!Object.hasOwn(other!.variants, variant))
        find(`it requires ${variant} of ${flag}, which is no variant`);
    }
    if (flag === key) find('it requires itself');
  }
}

function lintRules(
  { rules, fallthrough }: FlagSettings,
  segment: (key: string) => When | undefined,
  find: (rule: LintRule, message: string) => void,
): void {
  const seen = new Map<string, string>();
  let always: FlagRule | null = null;
  for (const rule of rules) {
    const { id, when, serve } = rule;
    const [holds, text] = [constantOf(when, segment), canonical(when as Json)];
    if (always) find('unreachable-rule', `rule ${id} comes after ${always.id}, which always holds`);
    else if (holds === false) find('unreachable-rule', `rule ${id} never holds`);
    else if (seen.has(text))
      find('unreachable-rule', `rule ${id} asks what ${seen.get(text)} asks before it`);
    if (!seen.has(text)) seen.set(text, id);
    if (holds === true) always ??= rule;
    lintShare(serve, `rule ${id}`, find);
  }
  if ('rollout' in fallthrough) lintShare(fallthrough, 'the rollout for all others', find);
}

function lintShare(serve: Serve, what: string, find: (rule: LintRule, message: string) => void): void {
  if (!('rollout' in serve)) return;
  const { exposure, weights } = serve.rollout;
  if (exposure === 0) find('constant-rollout', `${what} lets nobody in (0%)`);
  if (exposure === WHOLE && weights.length === 1) {
    find('constant-rollout', `${what} lets everybody in (100%): write serve: ${weights[0]!.variant}`);
  }
}

/** Words of attributes that are about a person. */
const PERSONAL =
  /^(e?mail|phone|mobile|name|firstname|lastname|surname|fullname|address|street|zip|postcode|birth\w*|dob|age|gender|sex|ssn|passport|iban|ip|religion|ethnicity|salary|income|health)$/;

/** The key of a client is public: whoever has it can ask for somebody else, and learn what the rules say of them. */
function personalIn({ targets, rules }: FlagSettings): readonly string[] {
  const tells = 'a client key is public, and the answers tell it';
  return [
    ...targets.flatMap(({ variant, keys }) =>
      keys.some((key) => key.includes('@')) ? [`targets of ${variant} look like addresses: ${tells}`] : [],
    ),
    ...rules.flatMap(({ id, when }) => [
      ...[...new Set(segmentsIn(when))].map(
        (segment) => `rule ${id} asks who is in segment ${segment}: ${tells}`,
      ),
      ...[...new Set(attributesIn(when))]
        .filter(looksPersonal)
        .map((attribute) => `rule ${id} asks for ${attribute}, which looks personal: ${tells}`),
    ]),
  ];
}

function looksPersonal(attribute: string): boolean {
  const words = attribute
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  return words.some((word) => PERSONAL.test(word));
}

function attributesIn(when: When): readonly string[] {
  if ('attribute' in when) return [when.attribute];
  if ('not' in when) return attributesIn(when.not);
  const several = 'all' in when ? when.all : 'any' in when ? when.any : [];
  return several.flatMap(attributesIn);
}

function lintPrograms(
  flags: ReadonlyMap<string, FlagInEnvironment>,
  byKey: Readonly<Record<string, When>>,
  environment: string,
  find: Find,
): void {
  let at: string | null = null;
  const attempt = <T>(work: () => T): T | null => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof InvalidFlag || error instanceof InvalidRule)) throw error;
      find('cannot-be-evaluated', at, environment, error.message);
      return null;
    }
  };
  const segments = attempt(() => compileSegments(new Map(Object.entries(byKey))));
  if (!segments) return;
  const around = { flag: (key: string) => flags.get(key), segments };
  for (const flag of flags.values()) {
    at = flag.key;
    // That has been told, with its name.
    if (flag.settings.prerequisites.some((one) => !flags.has(one.flag))) continue;
    attempt(() => compileProgram(flagProgram(flag, around), segments.evaluators));
  }
}
