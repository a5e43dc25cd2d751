/**
 * Parking: a stream whose event fails for good waits, with all its later events, while others flow.
 * What waits stays in the log; the parked list says from which version on.
 */
import type { EventLog } from '../commands/event-log.ts';
import type { DecodedEvent, Position, Recorded, StreamId } from '../schemas/envelope.ts';
import type { Change } from './changes.ts';
import { type DecodeDeps, decodeRun, type Item } from './decoder.ts';
import { type Applies, type Order, type Projection, usesStream } from './projection.ts';
import { type Advance, MAX_PARKED_STREAMS, type ParkedStream, type ProjectionStore } from './store.ts';

export const REPLAY = 'projection.replay-requested';
export const DISCARD = 'projection.discard-requested';

/** Longer errors are cut, in characters. */
const MAX_ERROR_CHARS = 300;

export interface ApplyDeps<T> extends DecodeDeps {
  readonly projection: Projection<T>;
  readonly store: Pick<ProjectionStore<T>, 'isTransient'>;
  readonly log: Pick<EventLog, 'readStream'>;
}

/** The batch met an event that fails for good: do it again with care. */
export class NeedsCare extends Error {
  override readonly name = 'NeedsCare';
}

/** So many streams fail that the projection is at fault, not the events. */
export class TooManyParked extends Error {
  override readonly name = 'TooManyParked';
}

/** What a batch did to the parked list and to the rows, in one transaction. */
export interface Applied {
  readonly parked: ReadonlyMap<StreamId, ParkedStream>;
  readonly changes: readonly Change[];
}

/**
 * Applies the items in order inside `advance`. Without care an event that fails for good throws
 * `NeedsCare`; with care the run is halved with savepoints until the event stands alone, and parks.
 */
export async function applyItems<T>(
  deps: ApplyDeps<T>,
  advance: Advance<T>,
  parkedBefore: ReadonlyMap<StreamId, ParkedStream>,
  items: readonly Item[],
  careful: boolean,
): Promise<Applied> {
  const { projection, store } = deps;
  const applier: Applies<T> = projection;
  const parked = new Map(parkedBefore);
  const touched = new Set<StreamId>();
  const changed = new Map<StreamId, Position>();

  const tell = (stream: StreamId, position: Position) => {
    changed.delete(stream);
    changed.set(stream, position);
  };
  /** True when the event's stream is parked: it waits behind the others. */
  const waits = (event: Pick<DecodedEvent, 'stream' | 'version'>): boolean => {
    const stream = parked.get(event.stream);
    if (!stream) return false;
    parked.set(event.stream, { ...stream, lastVersion: event.version, events: stream.events + 1 });
    touched.add(event.stream);
    return true;
  };
  const park = (
    event: Pick<DecodedEvent, 'stream' | 'version' | 'position'>,
    error: unknown,
    at: Position,
  ) => {
    if (parked.size >= MAX_PARKED_STREAMS) {
      throw new TooManyParked(`${MAX_PARKED_STREAMS} streams are parked: ${describe(error)}`);
    }
    parked.set(event.stream, {
      stream: event.stream,
      firstVersion: event.version,
      firstPosition: event.position,
      lastVersion: event.version,
      events: 1,
      error: describe(error),
    });
    touched.add(event.stream);
    tell(event.stream, at);
  };

  const applyFast = async (events: readonly DecodedEvent[]) => {
    try {
      await applier.apply(advance.tx, advance.tables, events);
    } catch (error) {
      if (store.isTransient(error)) throw error;
      throw new NeedsCare('an event fails', { cause: error });
    }
    for (const event of events) tell(event.stream, event.position);
  };
  const applyCareful = async (events: readonly DecodedEvent[], at: Position | null): Promise<void> => {
    const flowing = events.filter((event) => !waits(event));
    if (flowing.length === 0) return;
    try {
      await advance.savepoint(() => applier.apply(advance.tx, advance.tables, flowing));
      for (const event of flowing) tell(event.stream, at ?? event.position);
    } catch (error) {
      if (store.isTransient(error)) throw error;
      if (flowing.length === 1) return park(flowing[0]!, error, at ?? flowing[0]!.position);
      const half = flowing.length >> 1;
      await applyCareful(flowing.slice(0, half), at);
      await applyCareful(flowing.slice(half), at);
    }
  };

  const carryOut = async (request: DecodedEvent) => {
    const was = parked.get(request.stream);
    if (!was) return;
    const waiting = await waitingEvents(deps, was, request);
    if (request.type === DISCARD) {
      const { version } = request.data as { version: number };
      if (version !== was.firstVersion) return;
      waiting.shift();
    }
    parked.delete(request.stream);
    touched.add(request.stream);
    tell(request.stream, request.position);
    // One by one from here on: events of one stream are few, and the first to fail must park in its place.
    for (const item of waiting) {
      if (item.error === null) await applyCareful([item.event], request.position);
      else if (!waits(item.event)) park(item.event, item.error, request.position);
    }
  };

  let run: DecodedEvent[] = [];
  const flush = async () => {
    const events = run;
    run = [];
    if (events.length > 0) await (careful ? applyCareful(events, null) : applyFast(events));
  };
  for (const item of items) {
    if (isRequest(item.event.type)) {
      if (item.error !== null || !names(item.event, projection.name)) continue;
      await flush();
      await carryOut(item.event);
    } else if (item.error !== null) {
      await flush();
      if (waits(item.event)) tell(item.event.stream, item.event.position);
      else park(item.event, item.error, item.event.position);
    } else if (waits(item.event)) {
      // Its rows stay; but a flag that is killed stops, which whoever serves it finds behind them.
      tell(item.event.stream, item.event.position);
    } else run.push(item.event);
  }
  await flush();

  for (const stream of touched) {
    const now = parked.get(stream);
    if (now) await advance.park(now);
    else await advance.unpark(stream);
  }
  const changes = [...changed].map(([stream, position]) => ({ stream, position }));
  // What waits was told before what was applied.
  changes.sort((a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : 0));
  return { parked, changes };
}

export function isRequest(type: string): boolean {
  return type === REPLAY || type === DISCARD;
}

/** Whether the event is one to decode for the projection: of its types, or a request. */
export function isUsedBy(
  projection: Order & Pick<Projection<never>, 'types'>,
  event: Pick<Recorded, 'type' | 'stream'>,
): boolean {
  return (projection.types.has(event.type) || isRequest(event.type)) && usesStream(projection, event);
}

function names(request: DecodedEvent, projection: string): boolean {
  return (request.data as { projection: string }).projection === projection;
}

/** What waits in the stream, up to the request. */
async function waitingEvents<T>(
  deps: ApplyDeps<T>,
  parked: ParkedStream,
  request: DecodedEvent,
): Promise<Item[]> {
  const recorded = await deps.log.readStream(request.stream, {
    after: parked.firstVersion - 1,
    through: request.version - 1,
  });
  const used = recorded.filter((event) => deps.projection.types.has(event.type));
  const { items, newer } = await decodeRun(deps, used);
  if (!newer) return [...items];
  const rest: readonly Recorded[] = used.slice(items.length);
  return [...items, ...rest.map((event) => ({ event, error: newer.error }))];
}

/** Name, code and message; quoted values at the end of a message are left out, for they may be personal. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, MAX_ERROR_CHARS);
  const code = (error as { code?: unknown }).code;
  const message = error.message.replace(/: ".*"$/s, '');
  return `${error.name}${typeof code === 'string' ? ` ${code}` : ''}: ${message}`.slice(0, MAX_ERROR_CHARS);
}
