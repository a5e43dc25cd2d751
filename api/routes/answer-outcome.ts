/** From what a command came to, to an answer. */
import type { Outcome } from '../../commands/execute.ts';
import type { Position } from '../../schemas/envelope.ts';
import { PlinthError, type Rejection } from '../../schemas/errors.ts';
import type { Answer } from '../route.ts';

type Accepted<S> = Extract<Outcome<S>, { kind: 'accepted' }>;

export function answerOutcome<S>(
  outcome: Outcome<S>,
  answer: (accepted: Accepted<S>) => Pick<Answer, 'status' | 'body' | 'version'>,
): Answer {
  if (outcome.kind === 'rejected') throw refusal(outcome.rejection);
  return { ...answer(outcome), position: outcome.position, replayed: outcome.replayed };
}

export function refusal({ code, detail, ...more }: Rejection): PlinthError {
  return new PlinthError(code, detail, more);
}

/** Of one among many. */
export function briefly({ code, detail }: Rejection): Pick<Rejection, 'code' | 'detail'> {
  return { code, detail };
}

/** Of many commands: the furthest position, and whether all of them had been handled before. */
export function manyOf(outcomes: readonly Outcome<unknown>[]): Pick<Answer, 'position' | 'replayed'> {
  let position: Position | null = null;
  let replayed = false;
  let fresh = false;
  for (const outcome of outcomes) {
    if (outcome.kind === 'rejected') continue;
    if (outcome.position !== null && (position === null || outcome.position > position)) {
      position = outcome.position;
    }
    if (outcome.replayed) replayed = true;
    else fresh = true;
  }
  return { position, replayed: replayed && !fresh };
}
