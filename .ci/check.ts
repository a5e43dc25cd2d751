/** `npm run check`: types, lint and format, pins, import walls, events. Says everything that is wrong, then fails. */
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventCatalogue } from '../schemas/events/catalogue.ts';
import { eventFaults, readRecords } from './event-records.ts';
import { installedFaults, type Lockfile, NODE_MAJOR, pinFaults } from './pins.ts';
import { wallBreaches } from './walls.ts';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const steps: readonly [string, () => readonly string[]][] = [
  ['types', () => run('tsc', [])],
  ['lint and format', () => run('biome', ['check', '--error-on-warnings', '.'])],
  [
    'pins',
    () => {
      const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lockfile;
      const running = Number(process.versions.node.split('.')[0]);
      return [
        ...pinFaults(JSON.parse(readFileSync('package.json', 'utf8')), lock),
        ...installedFaults(lock),
        ...(running < NODE_MAJOR
          ? [`this runs on Node ${process.versions.node}; the product needs ${NODE_MAJOR}`]
          : []),
      ];
    },
  ],
  [
    'import walls',
    () =>
      wallBreaches(
        globSync('{schemas,commands,projections,api,workers,infra,bin,clients,test,bench,.ci}/**/*.ts', {
          exclude: (name) => name === 'node_modules',
        }),
      ).map(({ file, line, message }) => `${file}:${line} ${message}`),
  ],
  ['events', () => eventFaults(eventCatalogue, readRecords())],
];

let red = 0;
for (const [name, step] of steps) {
  const faults = step();
  if (faults.length > 0) red += 1;
  console.log(`${faults.length === 0 ? 'ok ' : 'RED'} ${name}`);
  for (const fault of faults) console.log(`    ${fault}`);
}
process.exit(red === 0 ? 0 : 1);

function run(command: string, args: readonly string[]): readonly string[] {
  const result = spawnSync(`node_modules/.bin/${command}`, args, { encoding: 'utf8' });
  if (result.status === 0) return [];
  return `${result.stdout}${result.stderr}${result.error ?? ''}`.trim().split('\n');
}
