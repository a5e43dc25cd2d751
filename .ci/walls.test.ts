import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breachesIn, importsOf } from './walls.ts';

const messages = (file: string, source: string) => breachesIn(file, source).map((b) => b.message);

test('a room that imports what it may not is named with the line', () => {
  const source = "import { a } from '../schemas/values.ts';\nimport { Pool } from 'pg';\n";
  assert.deepEqual(breachesIn('commands/execute.ts', source), [
    { file: 'commands/execute.ts', line: 2, message: 'commands/ may not import the package pg' },
  ]);
});

test('commands may not import projections, not even a type', () => {
  assert.equal(
    messages('commands/x.ts', "import type { Tx } from '../projections/projection.ts';").length,
    1,
  );
});

test('infra may import types of any room, and values of ports, but not of the api', () => {
  assert.deepEqual(messages('infra/a.ts', "import type { App } from '../api/app.ts';"), []);
  assert.deepEqual(messages('infra/a.ts', "import { InvalidAppend } from '../commands/event-log.ts';"), []);
  assert.equal(messages('infra/a.ts', "import { app } from '../api/app.ts';").length, 1);
});

test('projections may use the pure files of a domain, but only types of the kernel', () => {
  assert.deepEqual(
    messages('projections/keys/p.ts', "import { evolveKey } from '../../commands/keys/key-state.ts';"),
    [],
  );
  assert.equal(
    messages('projections/keys/p.ts', "import { execute } from '../../commands/execute.ts';").length,
    1,
  );
  assert.deepEqual(
    messages('projections/keys/p.ts', "import type { Clock } from '../../commands/clock.ts';"),
    [],
  );
});

test('schemas are pure: not even node modules', () => {
  assert.equal(messages('schemas/x.ts', "import { createHash } from 'node:crypto';").length, 1);
});

test('imports are found over several lines, re-exported, dynamic and for side effects', () => {
  const source =
    "import {\n  a,\n  b,\n} from './a.ts';\nexport * from './b.ts';\nimport './c.ts';\nconst d = await import('./d.ts');\nexport type { E } from './e.ts';\n";
  assert.deepEqual(
    importsOf(source).map((i) => i.specifier),
    ['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts'],
  );
});

test('tests and the composition root may reach anywhere', () => {
  assert.deepEqual(messages('commands/x.test.ts', "import { Pool } from 'pg';"), []);
  assert.deepEqual(messages('infra/platform.ts', "import { buildApp } from '../api/app.ts';"), []);
});
