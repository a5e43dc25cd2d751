/**
 * The body: one JSON document in UTF-8, bounded in bytes and depth, and free of what could hurt further in:
 * names that reach prototypes, and text that no database takes (U+0000, half of a surrogate pair).
 */
import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { type FieldFault, PlinthError } from '../../schemas/errors.ts';

/** Of routes that say nothing else. */
export const MAX_BODY_BYTES = 64 * 1024;
/** Deeper documents would overflow the stack of whatever walks them. */
export const MAX_JSON_DEPTH = 32;
const MAX_FAULTS = 20;

declare module 'fastify' {
  interface FastifyRequest {
    /** The bytes as they came; null when there was no body. */
    bodyBytes: Uint8Array | null;
  }
}

export function acceptJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.decorateRequest('bodyBytes', null);
  const parse = (request: { bodyBytes: Uint8Array | null }, body: unknown, done: Done) => {
    const bytes = body as Buffer;
    if (bytes.length === 0) return done(null, undefined);
    request.bodyBytes = bytes;
    try {
      done(null, parseJson(bytes));
    } catch (error) {
      done(error as Error);
    }
  };
  // A charset other than UTF-8 is not JSON (RFC 8259 §8.1).
  app.addContentTypeParser(
    /^application\/json[\t ]*(?:;[\t ]*charset[\t ]*=[\t ]*"?utf-8"?[\t ]*)?;?$/i,
    { parseAs: 'buffer' },
    parse,
  );
}

type Done = (error: Error | null, body?: unknown) => void;

/** Throws `malformed_json` or `invalid_request`. */
export function parseJson(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) throw new PlinthError('malformed_json', 'The body is not UTF-8.');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  if (tooDeep(text)) {
    throw new PlinthError('invalid_request', `The body nests deeper than ${MAX_JSON_DEPTH} levels.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new PlinthError('malformed_json', `The body is not JSON: ${where(error)}.`);
  }
  if (SUSPECT.test(text)) refuseHostile(value);
  return value;
}

/** What may hide a hostile name or character, any letter of it escaped; a hit is looked at closely. */
const SUSPECT = /\\u(?:00|d[89a-f])|__proto__|constructor/i;

function refuseHostile(root: unknown): void {
  const faults: FieldFault[] = [];
  const walk = (value: unknown, path: string) => {
    if (faults.length >= MAX_FAULTS) return;
    if (typeof value === 'string') {
      const message = hostileText(value);
      if (message) faults.push({ field: path || '$', message });
    } else if (Array.isArray(value)) {
      for (const [index, member] of value.entries()) walk(member, `${path}[${index}]`);
    } else if (value !== null && typeof value === 'object') {
      for (const key of Object.keys(value)) {
        const field = path === '' ? key : `${path}.${key}`;
        const message =
          key === '__proto__' || key === 'constructor' ? 'no field may have this name' : hostileText(key);
        if (message) faults.push({ field: field.toWellFormed().replaceAll('\0', '\\0'), message });
        walk((value as Record<string, unknown>)[key], field);
      }
    }
  };
  walk(root, '');
  if (faults.length > 0) {
    throw new PlinthError('invalid_request', 'The body holds names or characters that are not taken.', {
      errors: faults,
    });
  }
}

/** Why a text cannot be stored; null when it can. */
export function hostileText(text: string): string | null {
  if (text.includes('\0')) return 'must not contain the character U+0000';
  return text.isWellFormed() ? null : 'must not contain half of a surrogate pair';
}

function tooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x5b || c === 0x7b) {
      if (++depth > MAX_JSON_DEPTH) return true;
    } else if (c === 0x5d || c === 0x7d) depth--;
  }
  return false;
}

/** The place of the fault. Never the text around it, which V8 quotes: it may be a secret. */
function where(error: unknown): string {
  const at = /position (\d+)/.exec((error as Error).message);
  return at ? `see character ${Number(at[1]) + 1}` : 'it ends too early or holds something else';
}
