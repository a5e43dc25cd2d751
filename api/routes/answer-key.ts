/** From a request at one key to a command, and from what it came to, to the key as it is shown. */
import type { CommandContext } from '../../commands/execute.ts';
import type { IssueOutcome } from '../../commands/keys/issue-key.ts';
import type { KeyOutcome } from '../../commands/keys/key-command.ts';
import { keyView } from '../../commands/keys/key-view.ts';
import { keyStream } from '../../commands/streams.ts';
import type { IssuedKeyView, KeyView } from '../../schemas/views/keys.ts';
import type { Answer, RouteRequest } from '../route.ts';
import type { Services } from '../services.ts';
import { refusal } from './answer-outcome.ts';

interface AtKey {
  readonly params: { readonly id: string };
}

export function atKey(request: AtKey & Pick<RouteRequest, 'command'>): CommandContext {
  return request.command(keyStream(request.params.id));
}

/** The body, with the key that the path names and the version that `If-Match` demands. */
export function inputOf<B extends object>(
  request: AtKey & { readonly body: B; readonly ifVersion: number | undefined },
): B & { readonly keyId: string; readonly ifVersion?: number } {
  const { params, body, ifVersion } = request;
  return { ...body, keyId: params.id, ...(ifVersion === undefined ? {} : { ifVersion }) };
}

type Accepted = Extract<KeyOutcome, { kind: 'accepted' }>;

export function viewOf({ state, owner }: Accepted, services: Pick<Services, 'clock'>): KeyView {
  return keyView(state, owner, services.clock.now());
}

export function answerKey(outcome: KeyOutcome, services: Pick<Services, 'clock'>): Answer {
  if (outcome.kind === 'rejected') throw refusal(outcome.rejection);
  const { version, position, replayed } = outcome;
  return { status: 200, body: viewOf(outcome, services), version, position, replayed };
}

/** The only place where a secret leaves: once. */
export function answerIssued(
  status: number,
  outcome: IssueOutcome,
  services: Pick<Services, 'clock'>,
): Answer {
  if (outcome.kind === 'rejected') throw refusal(outcome.rejection);
  const { version, position, replayed, secret } = outcome;
  const body: IssuedKeyView = {
    key: viewOf(outcome, services),
    secret: secret === null ? null : secret.reveal(),
    secretShown: secret !== null,
  };
  return { status, body, version, position, replayed };
}
