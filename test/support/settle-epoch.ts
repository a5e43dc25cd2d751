/** What an operator does where the log is another than it was: as docs/operator.md tells. */
import assert from 'node:assert/strict';
import { plinth } from './platform-process.ts';

/** Runs a verb that must succeed, and answers what it said. */
export async function succeed(env: Readonly<Record<string, string>>, ...args: string[]): Promise<string> {
  const ended = await plinth(args, { env });
  assert.equal(ended.code, 0, `plinth ${args.join(' ')}: ${ended.stdout}${ended.stderr}`);
  return ended.stdout;
}

/** `plinth log restored`, and a rebuild of each projection that it names; answers which. */
export async function settleEpoch(env: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const { projections, reactors } = JSON.parse(await succeed(env, 'log', 'restored', '--json')) as {
    projections: { projection: string; goesOn: boolean }[];
    reactors: { goesOn: boolean }[];
  };
  const rebuilt = projections.filter(({ goesOn }) => !goesOn).map(({ projection }) => projection);
  for (const projection of rebuilt) await succeed(env, 'projections', 'rebuild', projection);
  assert.ok(reactors.every(({ goesOn }) => goesOn));
  return rebuilt;
}

/** The generation of topics that feeds each current projection; null: it follows the log. */
export async function generations(
  env: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, number | null>>> {
  const listed = JSON.parse(await succeed(env, 'projections', 'list', '--json')) as {
    projection: string;
    state: string;
    feed: { generation: number } | null;
  }[];
  const current = listed.filter(({ state }) => state === 'current');
  return Object.fromEntries(current.map(({ projection, feed }) => [projection, feed?.generation ?? null]));
}
