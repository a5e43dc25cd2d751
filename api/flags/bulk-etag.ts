/**
 * The entity tag of all flags for one context: `"<epoch>.<position>-<digest>"`. It is known without
 * evaluating anything: same position, same key's use, same context and same options, same answer. The window
 * in which its stream URL expires is in it too, or a client would be told 304 and keep a URL that is dead.
 */
import { hash } from 'node:crypto';
import type { EvaluationContext } from '../../commands/flags/engine/compile-flag.ts';
import { type Epoch, type Position, parsePositionToken, positionToken } from '../../schemas/envelope.ts';
import { canonicalForm } from './evaluation-context.ts';
import type { FlagsUse } from './flags-use.ts';

/** Of the form of the answer: another one makes the tags that clients hold old. */
const FORM = 1;
/** 128 bits of SHA-256. */
const DIGEST_CHARS = 22;

export interface BulkQuestion {
  readonly use: FlagsUse;
  readonly omitCodeDefaults: boolean;
  /** In which the stream URL of the answer expires; 0: it has none. */
  readonly streamWindow: number;
  readonly context: EvaluationContext;
}

export function bulkEtag(epoch: Epoch, position: Position, asked: BulkQuestion): string {
  const { use, omitCodeDefaults, streamWindow, context } = asked;
  const text = `${FORM} ${use} ${omitCodeDefaults} ${streamWindow} ${canonicalForm(context)}`;
  return `"${positionToken(epoch, position)}-${hash('sha256', text, 'base64url').slice(0, DIGEST_CHARS)}"`;
}

/** Whether `If-None-Match` names the tag: in a list, weakly (RFC 9110 §13.1.2), or by `*`. */
export function namesEtag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  // A tag of ours has no character that could hide it in a list: its quotes are its own.
  return ifNoneMatch === etag || ifNoneMatch.includes(etag) || ifNoneMatch.trim() === '*';
}

/**
 * The position that `flagConfigEtag` carries: such a tag, or a position token, as a notice of a change told
 * it. Undefined for what is neither, and for another history: it is a hint.
 */
export function positionInEtag(text: unknown, epoch: Epoch): Position | undefined {
  if (typeof text !== 'string' || text.length > MAX_ETAG_CHARS) return undefined;
  const token = /^(?:W\/)?"?([0-9a-f-]{36}\.[0-9]+)(?:-[\w-]*)?"?$/.exec(text)?.[1];
  const parsed = token === undefined ? null : parsePositionToken(token);
  return parsed?.epoch === epoch ? parsed.position : undefined;
}
const MAX_ETAG_CHARS = 200;
