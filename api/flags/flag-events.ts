/** Everything that tells readers of flags of changes in a process, put together. */
import type { Clock, Random } from '../../commands/clock.ts';
import type { Epoch, Position, StreamId } from '../../schemas/envelope.ts';
import { ChangeHub } from './change-hub.ts';
import type { ChangeStreamDeps } from './change-stream.ts';
import { type ChangeStreams, changeStreams } from './change-streams.ts';
import type { ServedFlags } from './served-environment.ts';

export interface FlagEventsDeps extends Pick<ChangeStreamDeps, 'stillGood'> {
  readonly clock: Clock;
  readonly random: Random;
  readonly epoch: () => Epoch;
  readonly served: () => ServedFlags;
  /** At least 32 bytes, the same in every process of the API. */
  readonly key: Uint8Array;
}

/** What the routes of flags use of it. */
export interface FlagEventsServices {
  readonly flagStreams: ChangeStreams;
  readonly flagEvents: Pick<ChangeStreamDeps, 'stillGood' | 'random'> & {
    readonly hub: ChangeHub;
    /** Signs the addresses of streams. */
    readonly key: Uint8Array;
  };
}

export function flagEvents(deps: FlagEventsDeps): FlagEventsServices {
  const { clock, random, epoch, served, key, stillGood } = deps;
  const standsAt = async (stream: StreamId): Promise<Position | null> =>
    (await served().of(stream))?.position ?? null;
  const hub = new ChangeHub({ clock, epoch, standsAt });
  return { flagStreams: changeStreams(key, clock), flagEvents: { hub, random, key, stillGood } };
}
