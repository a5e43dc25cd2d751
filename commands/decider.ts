/** A decider is three plain things: pure, no clock, no randomness, no I/O. */
import type { Decoded } from '../schemas/envelope.ts';
import type { Rejection } from '../schemas/errors.ts';

/** What evolve sees of an event: not its position, which is known only after the append. */
export type Fact<E> = E & Pick<Decoded, 'version' | 'timeMs' | 'metadata'>;

export type Decision<E> = { readonly accept: readonly E[] } | { readonly reject: Rejection };

export interface Decider<S, C, E> {
  readonly initial: S;
  /** Ignores events that are not its own. */
  evolve(state: S, event: Fact<E>): S;
  /** An empty `accept` means: nothing to change, and that is the answer. */
  decide(command: C, state: S): Decision<E>;
}

/** Of an erased or lost personal field nothing is left but null. */
export type Evolve<S, E> = Decider<S, never, E>['evolve'];

export function reject(rejection: Rejection): { readonly reject: Rejection } {
  return { reject: rejection };
}
