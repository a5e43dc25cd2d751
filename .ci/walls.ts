/**
 * The import walls: which room may import what. A room is a top-level folder; the rule for a file is
 * that of its room. Tests may reach anywhere.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

export interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

export interface Breach {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

interface Wall {
  /** Rooms whose values may be imported. */
  readonly rooms: readonly string[];
  /** Rooms of which only types may be imported. */
  readonly types?: readonly string[];
  /** Packages from npm; absent: any. */
  readonly packages?: readonly string[];
  /** Whether a file of another room that the rooms above leave out may still be imported. */
  readonly also?: (target: string) => boolean;
}

const everyRoom = [
  'schemas',
  'commands',
  'projections',
  'api',
  'workers',
  'infra',
  'bin',
  'clients',
  'test',
  'bench',
];

const walls: Readonly<Record<string, Wall>> = {
  schemas: { rooms: [], packages: ['zod'] },
  commands: { rooms: ['schemas'], packages: ['re2js', 'yaml', 'immutable'] },
  projections: {
    rooms: ['schemas'],
    types: ['commands'],
    packages: [],
    also: (target) =>
      /^commands\/[^/]+\//.test(target) || target === 'commands/streams.ts' || target === 'commands/ids.ts',
  },
  api: {
    rooms: ['schemas', 'commands', 'projections'],
    packages: [
      'fastify',
      'fastify-plugin',
      '@fastify/helmet',
      '@scalar/fastify-api-reference',
      'lru-cache',
      'zod',
    ],
  },
  workers: { rooms: ['schemas', 'commands', 'projections'], packages: [] },
  infra: { rooms: ['schemas'], types: everyRoom },
  clients: { rooms: [], packages: [] },
  bin: { rooms: everyRoom },
  test: { rooms: everyRoom },
  bench: { rooms: everyRoom },
  '.ci': { rooms: ['schemas'] },
};

/** Files of `infra/` whose purpose is to join the rooms. */
const composition = new Set(['infra/platform.ts']);
/** Ports' own values (error classes, constants, pure functions) that an adapter needs to keep its contract. */
const portValues = /^(commands|projections|workers)\/[^/]+\.ts$|^commands\/keys\/gcra\.ts$/;

export function importsOf(source: string): Import[] {
  const found: Import[] = [];
  const pattern =
    /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm;
  for (const match of source.matchAll(pattern)) {
    const line = source.slice(0, match.index).split('\n').length;
    found.push({ specifier: (match[2] ?? match[3])!, typeOnly: match[1] !== undefined, line });
  }
  return found;
}

export function breachesIn(file: string, source: string): Breach[] {
  const room = file.split('/')[0]!;
  const wall = walls[room];
  if (!wall || file.endsWith('.test.ts') || composition.has(file) || file.startsWith('infra/platform/'))
    return [];
  const breaches: Breach[] = [];
  for (const { specifier, typeOnly, line } of importsOf(source)) {
    const fault = faultOf(wall, room, file, specifier, typeOnly);
    if (fault) breaches.push({ file, line, message: fault });
  }
  return breaches;
}

function faultOf(
  wall: Wall,
  room: string,
  file: string,
  specifier: string,
  typeOnly: boolean,
): string | null {
  if (specifier.startsWith('node:'))
    return room === 'schemas' ? `schemas/ is pure: it may not import ${specifier}` : null;
  if (!specifier.startsWith('.')) {
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/');
    return wall.packages && !wall.packages.includes(name)
      ? `${room}/ may not import the package ${name}`
      : null;
  }
  const target = normalize(join(dirname(file), specifier));
  const targetRoom = target.split('/')[0]!;
  if (targetRoom === room || !(targetRoom in walls) || wall.rooms.includes(targetRoom)) return null;
  if (typeOnly && wall.types?.includes(targetRoom)) return null;
  if (wall.also?.(target)) return null;
  if (room === 'infra' && portValues.test(target)) return null;
  return `${room}/ may not import ${typeOnly ? 'types' : 'values'} of ${targetRoom}/ (${target})`;
}

export function wallBreaches(files: readonly string[]): Breach[] {
  return files.flatMap((file) => breachesIn(file, readFileSync(file, 'utf8')));
}
