/** The stand-in against the vendor's own client: what the facts of the protocol say, it does. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { type TestContext, test } from 'node:test';
import type * as Vendor from '@eventstore/db-client';
import { startEventStoreStandIn } from './stand-in.ts';

const db = createRequire(import.meta.url)('@eventstore/db-client') as typeof Vendor;
/** Credentials of a call make the client append by the classic way. */
const CLASSIC = { credentials: { username: 'any', password: 'any' } };

async function open(t: TestContext) {
  const standIn = await startEventStoreStandIn();
  const client = db.EventStoreDBClient.connectionString(standIn.url as unknown as TemplateStringsArray);
  t.after(async () => {
    await client.dispose();
    await standIn.close();
  });
  return { standIn, client };
}

const event = (type = 'thing') => db.jsonEvent({ id: randomUUID(), type, data: { a: 1 } });

for (const [way, options] of Object.entries({ 'one by one': CLASSIC, 'in batches': {} })) {
  test(`appends ${way} are numbered, and a wrong expected version names the current one`, async (t) => {
    const { client } = await open(t);
    const first = await client.appendToStream('s', [event(), event()], {
      expectedRevision: db.NO_STREAM,
      ...options,
    });
    assert.deepEqual([first.success, first.nextExpectedRevision], [true, 1n]);
    assert.ok(first.position!.commit > 0n);
    await assert.rejects(
      client.appendToStream('s', event(), { expectedRevision: db.NO_STREAM, ...options }),
      (error: Vendor.WrongExpectedVersionError) => error.actualVersion === 1n,
    );
    await assert.rejects(
      client.appendToStream('s', event(), { expectedRevision: 7n, ...options }),
      (error: Vendor.WrongExpectedVersionError) => error.actualVersion === 1n && error.expectedVersion === 7n,
    );
  });

  test(`the same events appended ${way} again are the same append; a part of them is none`, async (t) => {
    const { client, standIn } = await open(t);
    const events = [event(), event()];
    for (const expectedRevision of [db.NO_STREAM, db.ANY] as const) {
      const name = String(expectedRevision);
      await client.appendToStream(name, events, { expectedRevision, ...options });
      const again = await client.appendToStream(name, events, { expectedRevision, ...options });
      assert.deepEqual([again.success, again.nextExpectedRevision], [true, 1n]);
      await assert.rejects(
        client.appendToStream(name, [events[0]!, event()], { expectedRevision, ...options }),
        db.WrongExpectedVersionError,
      );
    }
    assert.equal(standIn.log.all.length, 4);
  });
}

test('reads go both ways, a missing stream is told, and a deleted one goes on behind its last revision', async (t) => {
  const { client } = await open(t);
  const numbers = async (read: AsyncIterable<Vendor.ResolvedEvent>) => {
    const found: bigint[] = [];
    for await (const { event: one } of read) found.push(one!.revision);
    return found;
  };
  await client.appendToStream('s', [event(), event(), event()]);
  assert.deepEqual(await numbers(client.readStream('s', { fromRevision: 1n })), [1n, 2n]);
  assert.deepEqual(
    await numbers(client.readStream('s', { direction: db.BACKWARDS, fromRevision: db.END, maxCount: 2 })),
    [2n, 1n],
  );
  await assert.rejects(numbers(client.readStream('none')), db.StreamNotFoundError);
  await client.deleteStream('s');
  await assert.rejects(numbers(client.readStream('s')), db.StreamNotFoundError);
  await client.appendToStream('s', event(), { expectedRevision: db.NO_STREAM });
  assert.deepEqual(await numbers(client.readStream('s')), [3n]);
});

test('a filtered subscription is confirmed, brings what passes and tells checkpoints', async (t) => {
  const { client, standIn } = await open(t);
  await client.appendToStream('s', event('wanted'));
  const seen: string[] = [];
  let checkpoints = 0;
  const subscription = client.subscribeToAll({
    filter: db.eventTypeFilter({
      regex: '^wanted',
      checkpointInterval: 1,
      checkpointReached: async () => {
        checkpoints += 1;
      },
    }),
  });
  const confirmed = new Promise((resolve) => subscription.on('confirmation', resolve));
  subscription.on('data', ({ event: one }) => seen.push(one!.type));
  await confirmed;
  standIn.log.writeSystemEvents(70);
  await client.appendToStream('s', [event('unwanted'), event('wanted')]);
  for (let i = 0; i < 500 && (seen.length < 2 || checkpoints < 2); i++)
    await new Promise((r) => setTimeout(r, 10));
  assert.deepEqual(seen, ['wanted', 'wanted']);
  assert.equal(checkpoints, 2);
  await subscription.unsubscribe();
});

test('an append past the limit is refused with the limit named', async (t) => {
  const { client } = await open(t);
  const large = db.binaryEvent({ id: randomUUID(), type: 'large', data: Buffer.alloc(1_048_577) });
  await assert.rejects(
    client.appendToStream('s', large, CLASSIC),
    (error: Vendor.MaxAppendSizeExceededError) => error.maxAppendSize === 1_048_576,
  );
});
