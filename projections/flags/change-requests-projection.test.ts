import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { closeChangeRequest } from '../../commands/flags/request-changes.ts';
import { environmentStream } from '../../commands/streams.ts';
import type { Decoded } from '../../schemas/envelope.ts';
import { decodePlain } from '../../test/simulation/plain-codec.ts';
import { PROJECT } from '../../test/support/flags-world.ts';
import { aim, change, gated, on } from '../../test/support/gated-environment.ts';
import { readModel, suitePool } from '../../test/support/read-model.ts';
import { BrokenStream } from '../broken-stream.ts';
import { changeRequestsProjection, getRequest, listRequests } from './change-requests-projection.ts';

const step = fc.record({
  what: fc.constantFrom('open', 'open', 'edit', 'approve', 'approve', 'apply', 'close'),
  owner: fc.constantFrom('ann', 'bob', 'cat', null),
  nth: fc.nat(3),
});
type World = Awaited<ReturnType<typeof gated>>;

async function give(world: World, steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) {
  for (const { what, owner, nth } of steps) {
    const open = [...(await world.environment()).requests.keys()];
    const request = open[nth % open.length];
    const commands = [change(nth % 2 ? 'a' : 'b', on)];
    if (what === 'open') await world.open(commands, owner);
    else if (request === undefined) continue;
    else if (what === 'edit') await world.edit(request, commands, owner);
    else if (what === 'approve') await world.approve(request, owner);
    else if (what === 'apply') await world.apply(request);
    else {
      const close = { ...aim, request, outcome: 'rejected' as const, reason: 'not\u0000now' };
      await closeChangeRequest(world.deps, world.at('production'), close);
    }
  }
}

describe('the change requests projection', () => {
  const pool = suitePool();
  let revision = 0;
  const fresh = () => readModel(pool(), changeRequestsProjection, ++revision);
  const eventsOf = (world: World) =>
    world.log.events
      .map((event) => decodePlain(event))
      .filter(({ type }) => changeRequestsProjection.types.has(type));

  it('makes the same rows live in any batches as rebuilt in one, and those that commands fold', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 30, size: 'max' }),
        fc.array(fc.nat(6), { minLength: 1 }),
        async (steps, cuts) => {
          const world = await gated(1);
          await give(world, steps);
          const events = eventsOf(world);
          const live = await fresh();
          for (let from = 0, n = 0; from < events.length; n++) {
            const size = 1 + cuts[n % cuts.length]!;
            await live.apply(events.slice(from, from + size));
            from += size;
          }
          const rebuilt = await fresh();
          await rebuilt.apply(events);
          assert.deepEqual(await live.rows(), await rebuilt.rows());
          const stream = environmentStream(world.tenant, PROJECT, 'production');
          const page = { limit: 100, after: null };
          const { items } = await listRequests(pool(), live.tables, stream, 'open', page);
          const folded = (await world.environment()).requests;
          assert.deepEqual(items.map(({ request }) => request).sort(), [...folded.keys()].sort());
          for (const {
            request,
            title,
            status,
            reason,
            openedBy,
            openedAtMs,
            changedAtMs,
            ...said
          } of items) {
            assert.deepEqual({ request, ...said }, folded.get(request));
          }
          for (const n of [revision, revision - 1])
            await pool().query(`DROP SCHEMA rm_change_requests_${n} CASCADE`);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('lists newest first, page by page, by what became of them, and those of one environment alone', async () => {
    const world = await gated(0);
    const opened: string[] = [];
    for (let n = 0; n < 3; n++) opened.push(await world.opened([change('a', on)]));
    world.done(await world.apply(opened[1]!));
    const model = await fresh();
    await model.apply(eventsOf(world));
    const stream = environmentStream(world.tenant, PROJECT, 'production');
    const list = async (
      status: 'open' | 'applied' | null,
      after: Parameters<typeof listRequests>[4]['after'],
    ) => {
      const page = await listRequests(pool(), model.tables, stream, status, { limit: 1, after });
      return { requests: page.items.map(({ request }) => request), next: page.next };
    };
    const first = await list(null, null);
    const second = await list(null, first.next);
    const third = await list(null, second.next);
    assert.deepEqual(
      [first, second, third].flatMap(({ requests }) => requests),
      opened.toReversed(),
    );
    assert.equal(third.next, null);
    assert.deepEqual((await list('applied', null)).requests, [opened[1]]);
    const elsewhere = environmentStream(world.tenant, PROJECT, 'development');
    assert.equal(await getRequest(pool(), model.tables, elsewhere, opened[0]!), null);
  });

  it('keeps titles with U+0000, forgets one that was erased, and what it says is there all the same', async () => {
    const world = await gated(1);
    const request = await world.opened([change('a', on)]);
    const titled = (title: string | null) =>
      eventsOf(world).map((event) => ({ ...event, data: { ...(event.data as object), title } })) as Decoded[];
    const stream = environmentStream(world.tenant, PROJECT, 'production');
    const read = async (title: string | null) => {
      const model = await fresh();
      await model.apply(titled(title));
      return (await getRequest(pool(), model.tables, stream, request))!;
    };
    assert.equal((await read('a\u0000b')).title, 'a\u0000b');
    const { title, hash, authors } = await read(null);
    assert.deepEqual([title, hash, authors], [null, await world.hashOf(request), ['ann']]);
  });

  it('refuses what the history of a request does not allow, and names the stream', async () => {
    const world = await gated(1);
    await world.approve(await world.opened([change('a', on)]), 'bob');
    const events = eventsOf(world);
    for (const broken of [events.slice(1), [...events, events[0]!]]) {
      const model = await fresh();
      await assert.rejects(model.apply(broken), (error) => error instanceof BrokenStream);
    }
  });
});
