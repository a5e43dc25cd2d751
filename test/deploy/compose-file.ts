/** docker-compose.yml as the tests look at it: parsed, with its variables filled in. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export interface Service {
  readonly image: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly [member: string]: unknown;
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly [member: string]: unknown;
}

export const COMPOSE_FILE = new URL('../../docker-compose.yml', import.meta.url);
export const EXAMPLE_ENV = new URL('../../.env.example', import.meta.url);

/** `${NAME}`, `${NAME:?what is wrong}`, `${NAME:-default}`: the forms that the file uses. */
const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([?-])([^}]*))?\}/g;

/** As it is written, merge keys resolved. */
export function readCompose(): ComposeFile {
  return parse(readFileSync(COMPOSE_FILE, 'utf8'), { merge: true }) as ComposeFile;
}

/** Names of the variables in it, and whether they must be set. */
export function variablesOf(compose: ComposeFile): ReadonlyMap<string, { readonly required: boolean }> {
  const found = new Map<string, { required: boolean }>();
  for (const [, name, form] of JSON.stringify(compose).matchAll(VARIABLE)) {
    found.set(name!, { required: form !== '-' || (found.get(name!)?.required ?? false) });
  }
  return found;
}

export function filled(compose: ComposeFile, env: Readonly<Record<string, string>>): ComposeFile {
  const fill = (value: unknown): unknown => {
    if (typeof value === 'string') {
      return value.replace(VARIABLE, (_, name: string, form: string, more: string) => {
        const given = env[name] || (form === '-' ? more : undefined);
        if (given === undefined) throw new Error(`${name} is not set`);
        return given;
      });
    }
    if (Array.isArray(value)) return value.map(fill);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, fill(member)]));
  };
  return fill(compose) as ComposeFile;
}

/** The names in `.env.example` with what stands behind them. */
export function exampleEnv(): Readonly<Record<string, string>> {
  const lines = readFileSync(EXAMPLE_ENV, 'utf8').split('\n');
  const set = lines.filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    set.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}
