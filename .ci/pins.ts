/**
 * Pins: every dependency has an exact version, the lockfile resolves to it and carries no download
 * address, and what is installed runs on the Node of the product.
 */
import { readFileSync } from 'node:fs';

interface Manifest {
  readonly version?: string;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly engines?: { readonly node?: string };
  readonly resolved?: string;
}

export interface Lockfile {
  readonly packages: Record<string, Manifest>;
}

/** The major version of Node that the product runs on. */
export const NODE_MAJOR = 24;

export function pinFaults(manifest: Manifest, lock: Lockfile): string[] {
  const faults: string[] = [];
  const direct = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
  for (const [name, wanted] of Object.entries(direct)) {
    if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(wanted))
      faults.push(`${name}: "${wanted}" is not an exact version`);
    const locked = lock.packages[`node_modules/${name}`];
    if (!locked) faults.push(`${name}: not in the lockfile`);
    else if (locked.version !== wanted)
      faults.push(`${name}: package.json wants ${wanted}, the lockfile has ${locked.version}`);
  }
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (entry.resolved?.startsWith('http')) faults.push(`${path}: the lockfile carries a download address`);
    const engine = entry.engines?.node;
    if (path !== '' && engine && !admits(engine, NODE_MAJOR))
      faults.push(`${path}: wants Node ${engine}, the product runs on ${NODE_MAJOR}`);
  }
  return faults;
}

/** Whether an npm range admits the latest release of a major version of Node. Knows the operators that packages use. */
export function admits(range: string, major: number): boolean {
  return range.split('||').some((alternative) => {
    const comparators = alternative
      .trim()
      .replace(/(>=|<=|>|<|\^|~|=)\s+/g, '$1')
      .split(/\s+/)
      .filter(Boolean);
    return comparators.every((comparator) => {
      const match = /^(>=|<=|>|<|\^|~|=)?v?(\d+|\*|x)(?:\.(\d+|\*|x))?/.exec(comparator);
      if (!match) return false;
      if (!/\d/.test(match[2]!)) return true;
      const wanted = Number(match[2]);
      switch (match[1]) {
        case '>=':
          return major >= wanted;
        case '>':
          return match[3] === undefined ? major > wanted : major >= wanted;
        case '<=':
          return major <= wanted;
        case '<':
          return major < wanted;
        default:
          return major === wanted;
      }
    });
  });
}

/** What is on disk, which npm may have resolved otherwise than the lockfile says. */
export function installedFaults(
  lock: Lockfile,
  read: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): string[] {
  const faults: string[] = [];
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '') continue;
    let text: string;
    try {
      text = read(`${path}/package.json`);
    } catch {
      continue; // Optional for another platform.
    }
    const { version } = JSON.parse(text) as Manifest;
    if (version !== entry.version)
      faults.push(`${path}: installed ${version}, the lockfile has ${entry.version}`);
  }
  return faults;
}
