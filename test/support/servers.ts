/** Servers that tests need and that may not be on a machine: such tests are skipped by name, with what to do. */
import { spawnSync } from 'node:child_process';

export type ServerName = 'redis' | 'kafka';

const found = new Map<ServerName, boolean>();

const provided: Readonly<Record<ServerName, string>> = {
  redis: 'apt-get install redis-server, or set TEST_REDIS_SERVER to its program',
  kafka: 'a Java runtime of 17 or later and Maven: apt-get install default-jre-headless maven',
};

function isThere(server: ServerName): boolean {
  const runs = (program: string, ...args: string[]) =>
    spawnSync(program, args, { stdio: 'ignore' }).status === 0;
  if (server === 'redis') return runs(redisProgram(), '--version');
  return runs('java', '-version') && runs('mvn', '--version');
}

export function redisProgram(): string {
  return process.env.TEST_REDIS_SERVER ?? 'redis-server';
}

/** For the `skip` option of a test: false where the server can be had, else what would provide it. */
export function without(server: ServerName): string | false {
  let there = found.get(server);
  if (there === undefined) {
    there = isThere(server);
    found.set(server, there);
  }
  return there ? false : `needs ${server}: ${provided[server]}`;
}
