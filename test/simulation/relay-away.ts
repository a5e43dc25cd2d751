/** No relay works for a while: from some moment on, or from that at which a projection is about to join. */
import type { Struck } from './fed-fate.ts';
import { write } from './fed-world.ts';
import { eventually, NAME } from './projection-world.ts';

/** Who starts meanwhile has seen no relay: it follows the log. Who runs may have, and go over to it. */
export async function relayAway({ world, applied, relays, projectors }: Struck): Promise<void> {
  const { scheduler, database } = world;
  const comeBack = relays.hold();
  const { position } = await write(world);
  const startAnew = scheduler.chance(0.8);
  if (startAnew) projectors.restart();
  const atHead = () => applied.isReplaced() || database.current(NAME)!.stamp.position >= position;
  if (startAnew && database.current(NAME)?.feed === null) {
    await eventually(scheduler, atHead, 'it does not follow the log while no relay works');
  }
  await scheduler.clock.sleep(scheduler.below(5000));
  comeBack();
}

/** It may have seen the relay alive: then it is fed when one is back. */
export async function relayDiesAtJoin({ world, joins, relays }: Struck): Promise<void> {
  const { scheduler } = world;
  let comeBack: (() => void) | null = null;
  const stop = joins.onLook(() => {
    comeBack ??= relays.hold();
  });
  await scheduler.clock.sleep(scheduler.below(6000));
  stop();
  (comeBack as (() => void) | null)?.();
}
