/** Freshness over a log and a projection whose every answer a test decides. */
import type { Head } from '../../commands/event-log.ts';
import type { Change, ChangesPoll } from '../../projections/changes.ts';
import { Freshness } from '../../projections/freshness.ts';
import type { Stamp } from '../../projections/projection.ts';
import type { Epoch, EventId, Position, StreamId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { fakeClock } from './fake-clock.ts';

export const EPOCH = '00000000-0000-4000-8000-000000000001' as Epoch;
export const OTHER = '00000000-0000-4000-8000-000000000002' as Epoch;
export const KEY = 'key-a' as StreamId;

export function at(n: number): Position {
  return (n === 0 ? '' : String(n).padStart(20, '0')) as Position;
}
export function idAt(n: number, history = 'h'): EventId {
  return `${history}${n}` as EventId;
}
export function stampAt(n: number, more: Partial<Stamp> = {}): Stamp {
  return { epoch: EPOCH, revision: 1, position: at(n), eventId: n === 0 ? null : idAt(n), ...more };
}

/** A log and a projection whose every answer a test decides. */
export function freshnessWorld(start = 10) {
  const clock = fakeClock();
  const state = {
    head: start,
    projected: start,
    epoch: EPOCH,
    projectedEpoch: EPOCH,
    revision: 1,
    changes: [] as Change[],
    prunedThrough: 0,
    halted: null as string | null,
    history: (_n: number) => 'h',
    headAway: false,
    epochLost: false,
    slowMs: 0,
    pollAway: false as boolean | 'hangs',
    polls: 0,
  };
  let hint = () => {};
  const freshness = new Freshness({
    clock,
    log: {
      async head(): Promise<Head> {
        if (state.headAway) throw new Error('no route to the log');
        if (state.epochLost) throw new PlinthError('log_epoch_changed', 'it is gone');
        const head = { epoch: state.epoch, position: at(state.head) };
        if (state.slowMs > 0) await clock.sleep(state.slowMs);
        return head;
      },
      async eventIdAt(position) {
        if (state.headAway) throw new Error('no route to the log');
        const n = Number(position);
        return n > state.head ? null : idAt(n, state.history(n));
      },
    },
    changes: {
      poll(after): Promise<ChangesPoll> {
        state.polls++;
        if (state.pollAway === 'hangs') return new Promise(() => {});
        if (state.pollAway) return Promise.reject(new Error('no route to the read model'));
        return Promise.resolve({
          stamp: stampAt(state.projected, { epoch: state.projectedEpoch, revision: state.revision }),
          changes: state.changes.filter((c) => c.position > after && c.position <= at(state.projected)),
          complete: true,
          prunedThrough: at(state.prunedThrough),
          halted: state.halted,
        });
      },
      async listen(tell) {
        hint = tell;
      },
    },
  });
  return { clock, state, freshness, hint: () => hint() };
}

export function change(n: number, stream = KEY): Change {
  return { position: at(n), stream };
}
