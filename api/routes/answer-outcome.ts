/** From a request to a command, and from what the command came to, to an answer. */
import type { Outcome } from '../../commands/execute.ts';
import { PlinthError, type Rejection } from '../../schemas/errors.ts';
import type { Call, Done } from '../domain-ports.ts';
import type { Answer, RouteRequest } from '../route.ts';

type Accepted<S> = Extract<Outcome<S>, { kind: 'accepted' }>;

export function answerOutcome<S>(
  outcome: Outcome<S>,
  answer: (accepted: Accepted<S>) => Pick<Answer, 'status' | 'body' | 'version'>,
): Answer {
  if (outcome.kind === 'rejected') throw refusal(outcome.rejection);
  return { ...answer(outcome), position: outcome.position, replayed: outcome.replayed };
}

export function answerDone(status: number, done: Done<unknown>): Answer {
  const { view, version, position, replayed } = done;
  return { status, body: view, position, replayed, ...(version === undefined ? {} : { version }) };
}

export function callOf(
  request: Pick<RouteRequest, 'command' | 'caller' | 'ifVersion'>,
  target: string,
): Call {
  return { context: request.command(target), caller: request.caller, ifVersion: request.ifVersion };
}

export function refusal({ code, detail, ...more }: Rejection): PlinthError {
  return new PlinthError(code, detail, more);
}
