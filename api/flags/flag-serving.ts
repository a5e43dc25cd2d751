/** Everything that serves flags in a process, put together. */
import type { Clock } from '../../commands/clock.ts';
import type { Codec } from '../../commands/codec.ts';
import type { EventLog } from '../../commands/event-log.ts';
import { killsBehind } from '../../commands/flags/parked-kills.ts';
import type { ChangesSource } from '../../projections/changes.ts';
import { ConfirmedStamps } from '../../projections/confirmed-stamps.ts';
import { servedRows } from '../../projections/flags/served-rows.ts';
import { Freshness, type FreshnessEvent } from '../../projections/freshness.ts';
import { parkedAt } from '../../projections/parked-at.ts';
import type { Stamp } from '../../projections/projection.ts';
import type { ReadModels } from '../../projections/read-models.ts';
import type { EnvironmentChange } from './environment-change.ts';
import { FlagSets } from './flag-sets.ts';
import { refreshTold } from './refresh-told.ts';
import { toldChanges } from './told-changes.ts';

export interface FlagServingDeps {
  readonly log: Pick<EventLog, 'head' | 'eventIdAt' | 'readStream'>;
  readonly codec: Pick<Codec, 'decodePublic'>;
  readonly readModels: ReadModels;
  /** Of the projection `flags`. */
  readonly changes: ChangesSource;
  readonly clock: Clock;
  /** How long what was read last is served while nothing can be read. */
  readonly graceMs: number;
  readonly changed?: (change: EnvironmentChange) => void;
  readonly onFreshness?: (event: FreshnessEvent, detail: string) => void;
}

export interface FlagServing {
  readonly sets: FlagSets;
  readonly freshness: Freshness;
  start(): void;
  close(): Promise<void>;
}

/** How long a read waits until its server has come as far as the latest poll. */
const READ_WAIT_MS = 1_000;

export function flagServing(deps: FlagServingDeps): FlagServing {
  const { log, readModels, clock, graceMs, changed, onFreshness } = deps;
  const refresh = refreshTold((stream) => sets.refresh(stream));
  const told = toldChanges(deps.changes, (streams) => {
    refresh([...sets.streams()].filter((stream) => streams.has(stream)));
  });
  const freshness = new Freshness({ log, changes: told, clock, ...(onFreshness && { on: onFreshness }) });
  const saw = (stamp: Stamp) => freshness.saw(stamp);
  const confirmed = new ConfirmedStamps({ log, clock, saw, polled: () => freshness.polled() });
  freshness.onDrop(() => confirmed.drop());
  const sets: FlagSets = new FlagSets({
    async load(stream, after) {
      const atLeast = freshness.polled()?.position;
      const options = atLeast === undefined ? {} : { atLeast, waitMs: READ_WAIT_MS };
      const { stamp, result } = await readModels.read('flags', options, async (tx, tables, at) => ({
        rows: await servedRows(tx, tables, stream, after),
        parked: await parkedAt(tx, 'flags', at.revision, stream),
      }));
      const { rows, parked } = result;
      const kills = rows === null || parked === null ? null : await killsBehind(deps, stream, parked);
      return { stamp, rows, kills };
    },
    freshness,
    confirm: (stamp) => confirmed.confirm(stamp),
    clock,
    graceMs,
    ...(changed && { changed }),
  });
  return { sets, freshness, start: () => freshness.start(), close: () => freshness.close() };
}
