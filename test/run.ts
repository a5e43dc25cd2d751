/**
 * Runs every test: `npm test`, or `npm test -- <part of a path> …` for some of them.
 *
 * One Postgres server serves the whole run; each test that needs a database gets its own on it. So does one
 * Kafka broker, where a test asks for it and it can be had.
 */
import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startKafka } from './support/kafka-server.ts';
import { startTestServer } from './support/postgres.ts';
import { without } from './support/servers.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Lines of the product that tests must reach, in percent. */
const MIN_LINE_COVERAGE = 85;
/** A file that has not ended by then has hung. The longest are the crash and simulation runs. */
const FILE_TIMEOUT_MS = 15 * 60_000;

const wanted = process.argv.slice(2);
const files = globSync(
  '{schemas,commands,projections,api,workers,infra,bin,clients,test,bench,.ci}/**/*.test.ts',
  { cwd: root },
)
  .filter((file) => !file.includes('node_modules'))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`No test file matches ${wanted.join(', ')}.`);
  process.exit(1);
}

const server = await startTestServer();
const usesKafka = files.some((file) => readFileSync(`${root}/${file}`, 'utf8').includes('testKafka('));
const kafka = usesKafka && without('kafka') === false ? await startKafka() : null;
const coverage = [
  '--experimental-test-coverage',
  `--test-coverage-lines=${MIN_LINE_COVERAGE}`,
  ...['**/*.test.ts', 'test/**', 'bench/**', '.ci/**', 'node_modules/**'].map(
    (glob) => `--test-coverage-exclude=${glob}`,
  ),
];
const runner = spawn(
  process.execPath,
  [
    '--test',
    '--test-concurrency=2',
    `--test-timeout=${FILE_TIMEOUT_MS}`,
    '--test-reporter=./test/reporter.ts',
    '--test-reporter-destination=stdout',
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=TimeoutNegativeWarning',
    ...(wanted.length === 0 ? coverage : []),
    ...files,
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, TEST_POSTGRES_URL: server.url, TEST_KAFKA_BROKERS: kafka?.brokers ?? '' },
  },
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal));
const code = await new Promise<number>((resolve) => runner.on('exit', (status) => resolve(status ?? 1)));
await Promise.all([server.stop(), kafka?.stop()]);
process.exit(code);
