/**
 * Statements that come again and again are prepared, once a connection, though whoever sends them knows
 * nothing of it: the server plans them no more than a few times. Planning the read of one key took it three
 * times as long as the read.
 */
import { createHash } from 'node:crypto';
import type { Tx } from '../../projections/projection.ts';
import type { Prepared, Session } from './pool.ts';

/** Each takes memory of every connection. */
const MAX_PREPARED = 100;
/** Texts that came once; then all of them are forgotten. */
const MAX_SEEN = 1_000;

const prepared = new Map<string, Prepared>();
const seen = new Set<string>();

/** A transaction on the session. */
export function preparing(session: Session): Tx {
  return { query: (sql, params) => session.query(statementOf(sql), params) };
}

/** With its second coming a text gets a name: the same for the same text, as the driver demands. */
export function statementOf(text: string): string | Prepared {
  const known = prepared.get(text);
  if (known) return known;
  if (!seen.delete(text)) {
    if (seen.size >= MAX_SEEN) seen.clear();
    seen.add(text);
    return text;
  }
  if (prepared.size >= MAX_PREPARED) return text;
  const name = `text-${createHash('sha256').update(text).digest('base64url').slice(0, 22)}`;
  const statement = { name, text };
  prepared.set(text, statement);
  return statement;
}
