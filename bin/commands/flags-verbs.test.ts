import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Command } from 'commander';
import { remoteVerb } from '../../test/support/remote-verb.ts';
import { runningApp } from '../../test/support/running-app.ts';
import { addFlagCommands } from './flags.ts';

type Cleanup = { after(fn: () => unknown): void };
const at = ['--project', 'store', '--environment', 'production'];

/** A house with a project `store` of two environments, which the command line made. */
async function store(t: Cleanup) {
  const running = await runningApp(t);
  await running.app.listen({ host: '127.0.0.1', port: 0 });
  const verb = (args: readonly string[], input = '', env: Record<string, string> = {}) =>
    remoteVerb(running, args, { input, env });
  const done = async (...args: string[]) => {
    const result = await verb(args);
    assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
    return result;
  };
  const json = async (...args: string[]) => JSON.parse((await done(...args, '--json')).stdout);
  await done('projects', 'create', 'store', '--name', 'Store');
  await done('environments', 'create', 'staging', '--project', 'store');
  await done('environments', 'create', 'production', '--project', 'store', '--name', 'Production');
  const folder = mkdtempSync(join(tmpdir(), 'plinth-flags-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  return { running, verb, done, json, file };
}

const FILE = `
project: store
segments:
  production:
    staff: { attribute: email, is: ends_with, value: "@example.com" }
flags:
  checkout:
    tags: [money]
    environments:
      production:
        rules: [{ id: staff, when: { segment: staff }, serve: on }]
        rollout: 25%
      staging: { serve: on }
  provider:
    variants: { none: "", stripe: stripe, adyen: adyen }
    environments:
      production: { off: none, requires: { checkout: on }, serve: stripe }
`;

describe('the command line', () => {
  test('makes a flag, ramps, kills and explains it, and goes back', async (t) => {
    const { done, json, verb, running } = await store(t);
    const projects = await json('projects', 'list');
    assert.deepEqual([projects[0].project, projects[0].name], ['store', 'Store']);
    const environments = await json('environments', 'list', '--project', 'store');
    assert.deepEqual(
      environments.map(({ environment }: { environment: string }) => environment),
      ['staging', 'production'],
    );
    await done('flags', 'create', 'checkout', '--project', 'store', '--name', 'Checkout', '--tag', 'money');
    const live = await json('flags', 'describe', 'checkout', '--project', 'store', '--lifecycle', 'live');
    assert.deepEqual([live.lifecycle, live.tags, live.revision], ['live', ['money'], 2]);
    const ramped = await json('flags', 'ramp', 'checkout', ...at, '--percent', '25');
    assert.equal(ramped.mode, 'on');
    assert.equal(ramped.fallthrough.rollout.exposure, 25_000);
    const killed = await done('flags', 'kill', 'checkout', ...at, '--reason', 'it fails');
    assert.match(killed.stdout, /^mode +killed$/m);
    const again = await verb(['flags', 'ramp', 'checkout', ...at, '--percent', '50']);
    assert.deepEqual([again.code, again.stdout], [1, '']);
    assert.match(again.stderr, /^plinth: checkout was killed/);
    const explained = await done('flags', 'explain', 'checkout', ...at, '--key', 'user-1');
    assert.match(explained.stdout, /^false \(off\): STATIC at /m);

    const history = await json('flags', 'history', 'checkout', ...at);
    assert.deepEqual(
      history.map(({ type, revision }: { type: string; revision: number }) => [type, revision]),
      [
        ['flag.added', 1],
        ['flag.changed', 2],
        ['flag.killed', 3],
      ],
    );
    const back = await json('flags', 'rollback', 'checkout', ...at, '--to', '2', '--reason', 'mended');
    assert.equal(back.mode, 'on');
    await done(
      'flags',
      'copy',
      'checkout',
      '--project',
      'store',
      '--environment',
      'staging',
      '--from',
      'production',
    );
    const table = (await done('flags', 'list', '--project', 'store')).stdout;
    assert.match(table, /checkout +boolean +live +- +staging on, production on/);
    assert.equal((await json('flags', 'archive', 'checkout', ...at)).archived, true);
    assert.equal((await json('flags', 'restore', 'checkout', ...at)).archived, false);
    assert.equal((await json('flags', 'off', 'checkout', ...at)).mode, 'off');
    const env = { PLINTH_PROJECT: 'store', PLINTH_ENVIRONMENT: 'production' };
    assert.equal((await verb(['flags', 'on', 'checkout'], '', env)).code, 0);

    const asked = await json(
      'environments',
      'approvals',
      'production',
      '--project',
      'store',
      '--required',
      '1',
    );
    assert.equal(asked.approvalsRequired, 1);
    const unapproved = await verb(['flags', 'off', 'checkout'], '', env);
    assert.deepEqual([unapproved.code, unapproved.stdout], [1, '']);

    const issued = await json('keys', 'issue', '--use', 'flags-server', ...at);
    assert.deepEqual(issued.key.environment, { project: 'store', environment: 'production' });
    const api = await verb(['keys', 'issue', '--json'], '', env);
    assert.equal(JSON.parse(api.stdout).key.environment, null);
    await running.until(async () => {
      const headers = { 'x-api-key': issued.secret };
      const payload = { context: { targetingKey: 'user-1' } };
      const url = '/ofrep/v1/evaluate/flags/checkout';
      return (await running.app.inject({ method: 'POST', url, headers, payload })).statusCode === 200;
    });
  });

  test('tells in one sentence what is missing, wrong or unknown, and of every verb what it takes', async (t) => {
    const { verb, file } = await store(t);
    const told = async (...args: string[]) => {
      const { code, stdout, stderr } = await verb(args);
      assert.deepEqual([code, stdout], [1, ''], `${args.join(' ')}: ${stderr}`);
      return stderr.trim();
    };
    for (const [args, sentence] of [
      [['flags', 'list'], 'plinth: Name the project: --project, or PLINTH_PROJECT.'],
      [
        ['flags', 'on', 'a', '--project', 'store'],
        'plinth: Name the environment: --environment, or PLINTH_ENVIRONMENT.',
      ],
      [['flags', 'kill', 'a', ...at], 'plinth: Say why: --reason.'],
      [['flags', 'ramp', 'a', ...at], 'plinth: Say how many: --percent.'],
      [
        ['flags', 'describe', 'a', '--project', 'store'],
        'plinth: Say what is to change, such as --lifecycle.',
      ],
      [['flags', 'rollback', 'a', ...at], 'plinth: Say which revision: --to.'],
      [['flags', 'copy', 'a', ...at], 'plinth: Say from which environment: --from.'],
      [['flags', 'on', 'a', ...at], 'plinth: There is no such flag.'],
      [['flags', 'plan'], 'plinth: Name the flags file: -f flags.yaml, or - for standard input.'],
      [['flags', 'import', 'a.json', ...at], 'plinth: Say whose file it is: --from flagd or unleash.'],
      [['flags', 'export', '--project', 'none'], 'plinth: There is no such project.'],
      [['keys', 'issue', '--use', 'flags-server'], 'plinth: Name the project: --project, or PLINTH_PROJECT.'],
    ] as const) {
      assert.equal(await told(...args), sentence);
    }
    assert.match(await told('flags', 'ramp', 'a', '--percent', '101'), /from 0 to 100/);
    assert.match(await told('flags', 'kil'), /unknown command 'kil'[\s\S]*kill/);
    const faulty = file('faulty.yaml', 'project: store\nflags:\n  a: { tpye: boolean }\n');
    assert.match(
      await told('flags', 'lint', '-f', faulty),
      /faulty\.yaml:3:\d+: flags\.a\.tpye: there is no such field/,
    );

    const program = new Command('plinth');
    addFlagCommands(program);
    const verbs = program.commands[0]!.commands;
    assert.equal(verbs.length, 19);
    for (const one of verbs) {
      const help = one.helpInformation();
      assert.match(help, new RegExp(`^Usage: plinth flags ${one.name()} \\[options\\]`));
      assert.ok(one.description().length > 10, one.name());
    }
  });

  test('plans a flags file, applies it once, and goes on where an apply broke off', async (t) => {
    const { verb, done, json, file, running } = await store(t);
    const path = file('flags.yaml', FILE);
    const lint = await done('flags', 'lint', '-f', path);
    assert.match(lint.stdout, /unused-variant +provider/);
    const differs = await verb(['flags', 'plan', '-f', path, '--exit-code']);
    assert.equal(differs.code, 2);
    assert.match(differs.stdout, /\+ flag checkout \(boolean, release\)/);
    const unsure = await verb(['flags', 'apply', '-f', path]);
    assert.equal(unsure.code, 1);
    assert.match(unsure.stderr, /Nothing was done: --yes does it\./);

    const applied = await done('flags', 'apply', '-f', path, '--yes', '--reason', 'as reviewed');
    assert.match(applied.stderr, /^1 of 6 {2}create flag checkout$/m);
    assert.match(applied.stderr, /^Done: 6 commands\.$/m);
    const nothing = await verb(['flags', 'plan', '-f', path, '--exit-code']);
    assert.deepEqual([nothing.code, nothing.stdout], [0, 'project store: nothing to do\n']);
    const provider = await json('flags', 'get', 'provider', ...at);
    assert.deepEqual(provider.prerequisites, [{ flag: 'checkout', variants: ['on'] }]);
    const history = await json('flags', 'history', 'provider', ...at);
    assert.equal(history.at(-1).reason, 'as reviewed');

    const exported = (await done('flags', 'export', '--project', 'store')).stdout;
    const same = await verb(['flags', 'plan', '-f', '-', '--exit-code'], exported);
    assert.deepEqual([same.code, same.stdout], [0, 'project store: nothing to do\n']);

    // A prerequisite that is not there is refused; what comes before it stays.
    const broken = FILE.replace('25%', '50%').replace('checkout: on }, serve', 'none: on }, serve');
    const failed = await verb(['flags', 'apply', '-f', file('broken.yaml', broken), '--yes']);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /^1 of 2 {2}change flag checkout in production$/m);
    assert.match(
      failed.stderr,
      /plinth: change flag provider in production: [\s\S]*1 of 2 commands were carried out/,
    );
    const mended = await done(
      'flags',
      'apply',
      '-f',
      file('mended.yaml', FILE.replace('25%', '50%')),
      '--yes',
    );
    assert.equal(mended.stdout, 'project store: nothing to do\n');

    const less =
      'project: store\nflags:\n  checkout: { tags: [money], environments: { production: { rollout: 50% } } }\n';
    const kept = await json('flags', 'plan', '-f', file('less.yaml', less));
    assert.ok(kept.left.some(({ what }: { what: string }) => what === 'flag provider'));
    await done('flags', 'apply', '-f', file('less.yaml', less), '--yes', '--remove');
    assert.equal((await json('flags', 'get', 'provider', ...at)).archived, true);
    const { segments } = await running.get('/v1/projects/store/environments/production/segments');
    assert.deepEqual(segments, []);
    assert.doesNotMatch((await done('flags', 'export', '--project', 'store')).stdout, /provider/);
  });

  test('takes flags over from flagd and from Unleash, after it has told what they become', async (t) => {
    const { verb, done, json, file } = await store(t);
    await done('flags', 'create', 'own', '--project', 'store');
    const flagSet = {
      flags: {
        welcome: {
          state: 'ENABLED',
          variants: { a: 'A', b: 'B' },
          defaultVariant: 'a',
          targeting: { if: [{ '==': [{ var: 'plan' }, 'pro'] }, 'b', null] },
          metadata: { team: 'web' },
        },
        bad: { state: 'ENABLED', variants: { a: 1, b: 'x' }, defaultVariant: 'a' },
      },
    };
    const path = file('flagd.json', JSON.stringify(flagSet));
    const dry = await done('flags', 'import', path, '--from', 'flagd', ...at);
    assert.match(dry.stdout, /^bad +production +skipped/m);
    assert.match(dry.stdout, /^welcome +production +changed +its metadata/m);
    assert.match(dry.stdout, /\+ flag welcome \(string, release\)/);
    assert.doesNotMatch(dry.stdout, /own/);
    assert.match(dry.stderr, /Nothing was done/);
    assert.equal((await verb(['flags', 'get', 'welcome', ...at])).code, 1);
    await done('flags', 'import', path, '--from', 'flagd', ...at, '--yes');
    const explained = await json('flags', 'explain', 'welcome', ...at, '--context', '{"plan":"pro"}');
    assert.equal(explained.value, 'B');
    const again = await done('flags', 'import', path, '--from', 'flagd', ...at, '--yes');
    assert.match(again.stdout, /project store: nothing to do/);

    const unleash = {
      version: 2,
      features: [
        {
          name: 'gradual',
          type: 'release',
          enabled: true,
          strategies: [
            {
              name: 'flexibleRollout',
              parameters: { rollout: '50', stickiness: 'default', groupId: 'gradual' },
            },
          ],
        },
      ],
    };
    const args = ['flags', 'import', '-', '--from', 'unleash', ...at];
    const taken = await verb([...args, '--yes'], JSON.stringify(unleash));
    assert.equal(taken.code, 0, taken.stderr);
    assert.equal((await json('flags', 'get', 'gradual', ...at)).mode, 'on');
    assert.equal((await json('flags', 'get', 'own', ...at)).revision, 1);
  });
});
