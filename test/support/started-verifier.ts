/** A verifier that runs over a tenant, for the tests of verify. */
import type { TestContext } from 'node:test';
import { tenantStream } from '../../commands/streams.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { TENANT, verifyWorld } from './verify-world.ts';

/** A running world, closed when the test ends. */
export async function started(t: TestContext, options?: Parameters<typeof verifyWorld>[0]) {
  const world = verifyWorld(options);
  await world.append(
    tenantStream(TENANT),
    'tenant.created',
    { tenantId: TENANT, slug: 's', name: null },
    TENANT,
  );
  world.verifier.start();
  await world.clock.advance(300);
  t.after(() => world.close());
  return world;
}

export function rejectedAs(expected: string) {
  return (error: unknown) => error instanceof PlinthError && error.rejection.code === expected;
}

export const burst = { name: 'burst', limit: 2, windowSeconds: 60 };
