/** Change requests of an environment as commands see them. */
import { hash } from 'node:crypto';
import type { RequestedCommand } from '../../schemas/commands/change-requests.ts';
import type { EitherEnvironmentEvent } from '../../schemas/events/flags.ts';
import type { Json } from '../../schemas/json.ts';
import type { Fact } from '../decider.ts';
import { canonical } from './flag-parts.ts';

/** A copy names the revision that it copies, so that what was approved is what is done. */
export type RecordedCommand =
  | Exclude<RequestedCommand, { do: 'copy' }>
  | (Extract<RequestedCommand, { do: 'copy' }> & { readonly revision: number });

/** The parts that a command is about, as they were before it; null: not there. */
export type CommandBases = Readonly<Record<string, Json>>;

export interface ChangeRequest {
  readonly request: string;
  readonly commands: readonly RecordedCommand[];
  readonly bases: readonly CommandBases[];
  readonly hash: string;
  /** Owners of the keys that wrote it; one without an owner is not among them. */
  readonly authors: readonly string[];
  /** Owners that approved what it says now, each once. */
  readonly approvers: readonly string[];
  /** The number of its own events. */
  readonly revision: number;
}

export type RequestFact = Extract<EitherEnvironmentEvent, { readonly type: `change-request.${string}` }>;

/** Undefined: it is done, or will not be. */
export function evolveRequest(
  known: ChangeRequest | undefined,
  event: Pick<Fact<RequestFact>, 'type' | 'data'>,
): ChangeRequest | undefined {
  const fact = event as RequestFact;
  const revision = (known?.revision ?? 0) + 1;
  switch (fact.type) {
    case 'change-request.opened':
    case 'change-request.edited': {
      const { request, commands, bases, hash: of, author } = fact.data;
      return {
        request,
        commands: commands as unknown as readonly RecordedCommand[],
        bases: bases as readonly CommandBases[],
        hash: of,
        authors: [...new Set([...(known?.authors ?? []), ...(author === null ? [] : [author])])],
        // Whatever was approved was something else.
        approvers: [],
        revision,
      };
    }
    case 'change-request.approved': {
      const { approver, hash: of } = fact.data;
      if (!known || of !== known.hash) return known;
      return { ...known, revision, approvers: [...new Set([...known.approvers, approver])] };
    }
    case 'change-request.closed':
    case 'change-request.applied':
      return undefined;
  }
}

/** SHA-256 over both in canonical JSON, base64url: what an approval is of. */
export function requestHash(commands: readonly RecordedCommand[], bases: readonly CommandBases[]): string {
  return hash('sha256', canonical({ commands, bases } as unknown as Json), 'base64url');
}
