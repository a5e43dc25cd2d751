/** From the environment to settings, or to one message that names every fault and what to do about it. */
import { type SettingName, type SettingSpec, type Settings, settingSpecs } from './config.ts';

export interface SettingFault {
  readonly env: string;
  /** As it was given; null where it must not be shown, or is not set. */
  readonly value: string | null;
  readonly rule: string;
  readonly fix: string;
}

export type ReadSettings =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly faults: readonly SettingFault[] };

type Environment = Readonly<Record<string, string | undefined>>;

const specs = Object.entries(settingSpecs) as [SettingName, SettingSpec][];
const MAX_SHOWN_CHARS = 60;
/** A name this many edits away is not what was meant. */
const MAX_EDITS = 3;

/** An empty variable counts as unset. */
export function readSettings(env: Environment): ReadSettings {
  const faults: SettingFault[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, spec] of specs) {
    const given = env[spec.env] || undefined;
    const text = given ?? spec.fallback;
    if (text === null) {
      values[name] = null;
      continue;
    }
    const parsed = spec.schema.safeParse(text);
    if (parsed.success) values[name] = parsed.data;
    else faults.push({ env: spec.env, value: shown(spec, text), rule: spec.rule, fix: fixOf(spec) });
  }
  for (const name of Object.keys(env).sort()) {
    if (!name.startsWith('PLINTH_') || !env[name] || specs.some(([, spec]) => spec.env === name)) continue;
    faults.push(unknownSetting(name));
  }
  if (faults.length === 0) faults.push(...together(values as unknown as Settings));
  return faults.length > 0 ? { ok: false, faults } : { ok: true, settings: values as unknown as Settings };
}

/** What no single setting can know. */
function together(settings: Settings): SettingFault[] {
  const faults: SettingFault[] = [];
  if (settings.replicaUrl !== null && settings.databaseUrl === null) {
    faults.push({
      env: 'DATABASE_REPLICA_URL',
      value: null,
      rule: 'a replica of the database in DATABASE_URL',
      fix: 'set DATABASE_URL too, or unset DATABASE_REPLICA_URL',
    });
  }
  return faults;
}

function shown(spec: SettingSpec, text: string): string | null {
  if (spec.secret) return null;
  return text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}…` : text;
}

function fixOf(spec: SettingSpec): string {
  return spec.fallback === null
    ? `correct ${spec.env} or unset it`
    : `correct ${spec.env}, or unset it for ${spec.fallback}`;
}

function unknownSetting(name: string): SettingFault {
  const near = specs
    .map(([, spec]) => ({ env: spec.env, edits: editDistance(name, spec.env) }))
    .sort((a, b) => a.edits - b.edits)[0]!;
  return {
    env: name,
    value: null,
    rule: 'no setting of this name exists',
    fix:
      near.edits <= MAX_EDITS
        ? `did you mean ${near.env}?`
        : `unset ${name}; \`plinth settings\` lists them all`,
  };
}

/** Levenshtein, one row at a time. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, substitute));
    }
    row = next;
  }
  return row[b.length]!;
}

/** One message for a person. */
export function faultMessage(faults: readonly SettingFault[]): string {
  const count = faults.length === 1 ? 'One setting is' : `${faults.length} settings are`;
  const lines = faults.map(({ env, value, rule, fix }) => {
    const is = value === null ? '' : ` is "${value}"`;
    const must = rule.startsWith('no setting') ? `: ${rule}` : `${is}; it must be ${rule}`;
    return `  ${env}${must}\n    → ${fix}`;
  });
  return `${count} not right:\n${lines.join('\n')}`;
}

export interface ShownSetting {
  readonly env: string;
  /** `[set]` for a secret. */
  readonly value: string | null;
  readonly source: 'environment' | 'default';
  readonly doc: string;
}

/** The settings in effect, for a person to read. */
export function shownSettings(env: Environment): readonly ShownSetting[] {
  return specs.map(([, spec]) => {
    const given = env[spec.env] || undefined;
    const value = given === undefined ? spec.fallback : spec.secret ? '[set]' : given;
    return { env: spec.env, value, source: given === undefined ? 'default' : 'environment', doc: spec.doc };
  });
}

/** The table of `docs/operator.md`. */
export function settingsTable(): string {
  const rows = specs.map(
    ([, { env, fallback, rule, doc }]) =>
      `| \`${env}\` | ${fallback === null ? '' : `\`${fallback}\``} | ${doc} | ${rule} |`,
  );
  return ['| setting | default | what it does | must be |', '|---|---|---|---|', ...rows].join('\n');
}
