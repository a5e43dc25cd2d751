/** What the handlers of the domains use, behind the ports that the rooms declare. */
import type { Clock } from '../commands/clock.ts';
import type { DataKeys } from '../commands/data-keys.ts';
import type { EventLog } from '../commands/event-log.ts';
import type { FlagDeps } from '../commands/flags/project-command.ts';
import type { KeyDeps } from '../commands/keys/key-command.ts';
import type { ReadModels } from '../projections/read-models.ts';
import type { ProjectionStore } from '../projections/store.ts';
import type { GroupMembers } from '../projections/who-works.ts';
import type { Epoch } from '../schemas/envelope.ts';
import type { ClientLimit } from './flags/client-limit.ts';
import type { FlagEventsServices } from './flags/flag-events.ts';
import type { FlagSets } from './flags/flag-sets.ts';
import { routesOf } from './route.ts';
import type { Limiter } from './verify/limiter.ts';
import type { Verifier } from './verify/verifier.ts';

export interface Services extends FlagEventsServices {
  readonly clock: Clock;
  readonly epoch: () => Epoch;
  /** What commands run on. */
  readonly execute: KeyDeps & FlagDeps;
  /** For what is told of it as it is; rejects what it read when the log may be another than it was. */
  readonly log: Pick<EventLog, 'readStream'>;
  readonly dataKeys: Pick<DataKeys, 'close'>;
  readonly readModels: ReadModels;
  readonly projections: Pick<ProjectionStore<never>, 'revisions' | 'parked' | 'isParked'>;
  /** What an operator should know of the relay, or null. Never rejects. */
  readonly relayProblem: () => Promise<string | null>;
  /** Who is in a consumer group of the feed; null: there is no Kafka to ask. */
  readonly members: GroupMembers | null;
  /** At least 32 bytes, the same in every process of the API: signs page cursors. */
  readonly cursorKey: Uint8Array;
  readonly verifier: Pick<Verifier, 'verify' | 'verifyMany'>;
  readonly limiter: Pick<Limiter, 'unshared'>;
  readonly flags: Pick<FlagSets, 'of' | 'ageSeconds'>;
  readonly clientLimit: ClientLimit;
}

export const defineRoute = routesOf<Services>();
