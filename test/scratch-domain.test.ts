/** CONTRIBUTING.md shows how to add a domain. This applies its blocks to a copy and runs what comes of it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);
const COPIED = [
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
  '.ci',
  'docs',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
];

interface Block {
  readonly info: string;
  readonly text: string;
}

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```ts (\S.*)\n([\s\S]*?)^```$/gm)].map(([, info, text]) => ({
    info: info!,
    text: text!,
  }));
}

/** `file=` is a new file; `line=… import` goes above the first import, `line=… after="…"` below that line. */
function apply(folder: string, { info, text }: Block): void {
  const file = /^file=(\S+)$/.exec(info)?.[1];
  if (file) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
    return;
  }
  const [, target, place] = /^line=(\S+) (import|after=".*")$/.exec(info)!;
  const path = join(folder, target!);
  const source = readFileSync(path, 'utf8');
  const anchor =
    place === 'import' ? /^import /m.exec(source)![0] : `${place!.slice('after="'.length, -1)}\n`;
  const at = source.indexOf(anchor) + (place === 'import' ? 0 : anchor.length);
  assert.ok(source.includes(anchor), `${target} has no line ${anchor}`);
  writeFileSync(path, source.slice(0, at) + text + source.slice(at));
}

test('a domain added by the steps of CONTRIBUTING.md type-checks, keeps the walls, serves and is covered', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'plinth-scratch-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of COPIED)
    cpSync(join(root, name), join(folder, name), {
      recursive: true,
      filter: (path) => !path.includes('node_modules'),
    });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const blocks = blocksOf(readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8'));
  assert.ok(blocks.length >= 12);
  for (const block of blocks) apply(folder, block);

  const childEnv = { ...process.env, NODE_V8_COVERAGE: '', NODE_TEST_CONTEXT: undefined };
  const inCopy = (args: string[]) =>
    run(process.execPath, args, {
      cwd: folder,
      env: childEnv,
      maxBuffer: 1 << 24,
    }).catch((error: { stdout?: string; stderr?: string }) =>
      assert.fail(`${args.join(' ')}\n${error.stdout}\n${error.stderr}`),
    );
  await run(join(root, 'node_modules/.bin/tsc'), ['-p', '.'], { cwd: folder }).catch(
    (error: { stdout: string }) => assert.fail(error.stdout),
  );
  await inCopy([
    '--input-type=module',
    '-e',
    "import('./.ci/walls.ts').then(async ({ wallBreaches }) => { const { globSync } = await import('node:fs'); const found = wallBreaches(globSync('{schemas,commands,projections,api}/**/*.ts')); if (found.length > 0) throw new Error(JSON.stringify(found)); })",
  ]);
  await inCopy(['--test', 'api/routes/notes.test.ts']);

  // Nobody told the credential matrix of the new routes: it tries them, and sees one that lets everybody in.
  await inCopy(['--test', 'api/credential-matrix.test.ts']);
  const routes = join(folder, 'api/routes/notes.ts');
  writeFileSync(
    routes,
    readFileSync(routes, 'utf8').replace("{ permission: 'notes:read' }", '{ public: true }'),
  );
  const letsIn = await run(
    process.execPath,
    ['--test', '--test-reporter=tap', 'api/credential-matrix.test.ts'],
    {
      cwd: folder,
      env: childEnv,
      maxBuffer: 1 << 24,
    },
  ).catch((error: { stdout: string; stderr: string }) => error);
  assert.match(`${letsIn.stdout}${letsIn.stderr}`, /^ *not ok [\s\S]*\/v1\/notes/m);
});
