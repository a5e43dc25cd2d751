/** The one way to change anything: fold, decide, append, and answer from the events. */
import {
  type CommandId,
  type DecodedEvent,
  type EventId,
  MAX_APPEND_BYTES,
  MAX_EVENT_BYTES,
  type Metadata,
  type NewEvent,
  type Position,
  type StreamId,
  type TenantId,
} from '../schemas/envelope.ts';
import type { Rejection } from '../schemas/errors.ts';
import type { Clock, Random } from './clock.ts';
import type { Codec } from './codec.ts';
import type { Decider, Fact } from './decider.ts';
import { decodeStream, ownEvents } from './decode-stream.ts';
import { type Appended, type Conflict, type EventLog, InvalidAppend } from './event-log.ts';
import type { HotFolds } from './hot-folds.ts';
import { eventIdOf } from './ids.ts';

export interface CommandContext {
  readonly commandId: CommandId;
  readonly tenant: TenantId;
  readonly actor: string;
  /** Keyed digest of the request; null for commands that no request asked for. */
  readonly requestDigest: string | null;
  readonly correlationId: string;
  readonly causationId: string | null;
  readonly traceparent: string | null;
}

export type Outcome<S> =
  | {
      readonly kind: 'accepted';
      /** True when the command had been handled before: `state` is as it left it. */
      readonly replayed: boolean;
      /** The state through the command's last event. */
      readonly state: S;
      readonly version: number;
      /** Position of the command's last event; null when it changed nothing. */
      readonly position: Position | null;
      /** What the command did, now or when it was handled first: answers are functions of these. */
      readonly events: readonly Fact<{ readonly type: string; readonly data: unknown }>[];
    }
  | { readonly kind: 'rejected'; readonly rejection: Rejection };

export interface ExecuteDeps {
  readonly log: EventLog;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly random: Random;
  /**
   * Asked before a command is told that it changes nothing, after what that was decided on was read: throws
   * when the log may be another than it was, for what such a log has lost was decided as if it had never been.
   * An append needs no such word: the log that takes it is the one that it stands in.
   */
  readonly confirm?: (last: LastRead) => Promise<void>;
}

/** The last event of a stream as it was read; null: there was none. */
export type LastRead = { readonly position: Position; readonly eventId: EventId } | null;

export interface Execution<S, C, E> {
  readonly decider: Decider<S, C, E>;
  readonly stream: StreamId;
  readonly context: CommandContext;
  /**
   * Builds the command from what other streams say, the stream's own state (which names them) and the time
   * of the attempt, which is never before the stream's last event. Runs again for each attempt, so that a
   * decision never relies on an older state than the one it is appended to.
   */
  command(facts: AttemptFacts<S>): C | Promise<C>;
  /**
   * A creation: the stream is taken to be empty on the first attempt, and read only when it was not.
   */
  readonly creates?: boolean;
  /** Another tenant's stream is as one that does not exist. */
  readonly ownOnly?: boolean;
  /** Version that the client saw (If-Match); another one answers `precondition_failed`. */
  readonly ifVersion?: number;
  readonly hot?: undefined;
}

/**
 * A command at a long stream, whose state is kept for the next one. All that it is told, and all that it
 * answers, is what the events say in public: no personal field, not even one that it has just written.
 */
export interface HotExecution<S, C, E> extends Omit<Execution<S, C, E>, 'command' | 'hot'> {
  readonly hot: HotFolds;
  /** As that of `Execution`, without the events: most of the time they are not read. */
  command(facts: Omit<AttemptFacts<S>, 'events'>): C | Promise<C>;
}

export interface AttemptFacts<S> {
  readonly nowMs: number;
  readonly state: S;
  readonly events: readonly DecodedEvent[];
}

/** Attempts of one command before it answers `contended`. */
const MAX_ATTEMPTS = 8;

export interface Folded<S> {
  readonly state: S;
  readonly version: number;
  /** Time of the last event; 0 without one. */
  readonly lastMs: number;
  readonly events: readonly DecodedEvent[];
}

export async function fold<S, E>(
  deps: { readonly log: Pick<EventLog, 'readStream'>; readonly codec: Codec },
  decider: Pick<Decider<S, never, E>, 'initial' | 'evolve'>,
  stream: StreamId,
  tenant?: TenantId,
): Promise<Folded<S>> {
  const recorded = await deps.log.readStream(stream);
  const own = tenant === undefined ? recorded : ownEvents(recorded, tenant);
  const events = await decodeStream(deps.codec, own);
  const state = events.reduce((s, event) => decider.evolve(s, event as unknown as Fact<E>), decider.initial);
  const { version, timeMs: lastMs } = events.at(-1) ?? { version: 0, timeMs: 0 };
  return { state, version, lastMs, events };
}

export async function execute<S, C, E extends { readonly type: string; readonly data: unknown }>(
  deps: ExecuteDeps,
  run: Execution<S, C, E> | HotExecution<S, C, E>,
): Promise<Outcome<S>> {
  let assumeEmpty = run.creates === true && run.ifVersion === undefined;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const assumed = assumeEmpty;
    const folded: Folded<S> = assumed
      ? { state: run.decider.initial, version: 0, lastMs: 0, events: [] }
      : run.hot
        ? await run.hot.fold(deps, run)
        : await fold(deps, run.decider, run.stream, run.ownOnly ? run.context.tenant : undefined);
    assumeEmpty = false;

    const handled = originalOutcome(run, folded);
    if (handled) return handled;
    const timeMs = Math.max(deps.clock.now(), folded.lastMs);
    const facts = { nowMs: timeMs, state: folded.state, events: folded.events };
    const decision = run.decider.decide(await run.command(facts), folded.state);
    if ('reject' in decision || decision.accept.length === 0) {
      // Nothing tells that the stream is empty but an append: a retry of a creation that was accepted and
      // would be refused today must be answered from its events.
      if (assumed) continue;
      await confirmed(deps, folded);
    }
    if ('reject' in decision) return { kind: 'rejected', rejection: decision.reject };
    // After the decision, as RFC 9110 §13.2.1 wants it: 404 goes before 412, so that a version tells nobody
    // that another tenant's thing exists.
    if (run.ifVersion !== undefined && run.ifVersion !== folded.version) {
      await confirmed(deps, folded);
      return {
        kind: 'rejected',
        rejection: {
          code: 'precondition_failed',
          detail: `If-Match names version ${run.ifVersion}; it is at ${folded.version}.`,
        },
      };
    }
    if (decision.accept.length === 0) {
      return {
        kind: 'accepted',
        replayed: false,
        state: folded.state,
        version: folded.version,
        position: null,
        events: [],
      };
    }

    const metadata: Metadata = metadataOf(run.context);
    const toEncode = decision.accept.map((event, index) => {
      const nonce = deps.random.bytes(16);
      return {
        id: eventIdOf(run.context.commandId, run.stream, index, nonce),
        type: event.type,
        data: event.data,
        timeMs,
        nonce,
        metadata,
      };
    });
    const encoded = await deps.codec.encode(toEncode);
    const answer = await appendSurely(deps, run.stream, folded.version, encoded);
    if (answer === 'too large') return { kind: 'rejected', rejection: tooLarge };
    if (!answer.ok) {
      await backOff(deps, attempt);
      continue;
    }

    const { version, position } = answer;
    const events = decision.accept.map((event, index): Fact<E> => {
      const at = folded.version + index + 1;
      if (!run.hot) return { ...event, version: at, timeMs, metadata };
      const recorded = { ...encoded[index]!, stream: run.stream, version: at, position };
      return deps.codec.decodePublic(recorded) as unknown as Fact<E>;
    });
    const state = events.reduce((s, event) => run.decider.evolve(s, event), folded.state);
    return { kind: 'accepted', replayed: false, state, version, position, events };
  }
  return {
    kind: 'rejected',
    rejection: {
      code: 'contended',
      detail: `${run.stream} changed ${MAX_ATTEMPTS} times while this was decided.`,
    },
  };
}

async function confirmed(deps: Pick<ExecuteDeps, 'confirm'>, { events }: Folded<unknown>): Promise<void> {
  const last = events.at(-1);
  await deps.confirm?.(last ? { position: last.position, eventId: last.id } : null);
}

/** Writers that keep meeting must not keep step: a random wait below 2, 4, … 64 ms, none after the first. */
async function backOff(deps: Pick<ExecuteDeps, 'clock' | 'random'>, attempt: number): Promise<void> {
  if (attempt === 0) return;
  await deps.clock.sleep((deps.random.bytes(1)[0]! / 256) * 2 ** Math.min(attempt, 6));
}

export const tooLarge: Rejection = {
  code: 'event_too_large',
  detail: `One event may have ${MAX_EVENT_BYTES} bytes and one command ${MAX_APPEND_BYTES}, all its events together.`,
};

/** Resends of an append whose outcome is unknown; the log answers the original when it had arrived. */
const MAX_RESENDS = 2;

async function appendSurely(
  deps: ExecuteDeps,
  stream: StreamId,
  expected: number,
  events: readonly NewEvent[],
): Promise<Appended | Conflict | 'too large'> {
  for (let resend = 0; ; resend++) {
    try {
      return await deps.log.append(stream, expected, events);
    } catch (error) {
      if (error instanceof InvalidAppend && error.reason.endsWith('_too_large')) return 'too large';
      if (resend >= MAX_RESENDS || error instanceof InvalidAppend) throw error;
      await deps.clock.sleep(20 * 2 ** resend);
    }
  }
}

/** Finds the command in the stream: what it did then is the answer now. */
function originalOutcome<S, C, E extends { readonly type: string }>(
  run: Pick<Execution<S, C, E>, 'decider' | 'context'>,
  folded: Folded<S>,
): Outcome<S> | null {
  const events = folded.events.filter((event) => event.metadata.commandId === run.context.commandId);
  const last = events.at(-1);
  if (!last) return null;
  if (last.metadata.requestDigest !== run.context.requestDigest) {
    return {
      kind: 'rejected',
      rejection: {
        code: 'idempotency_mismatch',
        detail: 'This Idempotency-Key came with another body before.',
      },
    };
  }
  let state = run.decider.initial;
  for (const event of folded.events) {
    if (event.version > last.version) break;
    state = run.decider.evolve(state, event as unknown as Fact<E>);
  }
  const { version, position } = last;
  return { kind: 'accepted', replayed: true, state, version, position, events };
}

function metadataOf(context: CommandContext): Metadata {
  return {
    tenant: context.tenant,
    actor: context.actor,
    commandId: context.commandId,
    requestDigest: context.requestDigest,
    correlationId: context.correlationId,
    causationId: context.causationId,
    traceparent: context.traceparent,
  };
}

export type { EventId };
