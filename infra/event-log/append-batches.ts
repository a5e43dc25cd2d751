/** Appends to the Postgres log: coalesced into calls, each with a result of its own. */
import { type Appended, type Conflict, InvalidAppend } from '../../commands/event-log.ts';
import { MAX_APPEND_BYTES, type Position } from '../../schemas/envelope.ts';
import { isTransient, sqlState } from '../postgres/errors.ts';
import type { Pool, Prepared } from '../postgres/pool.ts';
import { appendParams, appendStatement, type Member } from './append-call.ts';
import { type Coalescer, coalesce } from './coalesce.ts';
import { positionOf } from './recorded-row.ts';

const MAX_MEMBERS_PER_CALL = 256;
const MAX_WAITING_APPENDS = 10_000;
const UNIQUE_VIOLATION = '23505';

export interface WaitingAppend extends Member {
  readonly bytes: number;
  resolve(answer: Appended | Conflict): void;
  reject(error: unknown): void;
}

/** `appended` is told of every call: nothing that it appended lies past the position. */
export function appendBatches(
  pool: Pool,
  appended: (through: Position | null) => void,
): Coalescer<WaitingAppend> {
  return coalesce<WaitingAppend>({
    maxCallsInFlight: 1,
    maxWaiting: MAX_WAITING_APPENDS,
    take: takeMembers,
    async send(members) {
      try {
        const { through, settle } = await call(pool, members);
        return () => {
          appended(through);
          settle();
        };
      } catch (error) {
        if (members.length === 1 || isTransient(error) || sqlState(error) === null) {
          return () => {
            for (const member of members) member.reject(error);
          };
        }
        // One of them is at fault, and nothing was appended: each for itself.
        for (const member of members) {
          const called = await call(pool, [member]).catch(member.reject);
          called?.settle();
        }
        return () => appended(null);
      }
    },
  });
}

/**
 * The members of one call, first come first. A second append to a stream stays for the next call, as does
 * what would make the call larger than the largest append.
 */
export function takeMembers(waiting: WaitingAppend[]): WaitingAppend[] {
  const taken: WaitingAppend[] = [];
  const left: WaitingAppend[] = [];
  const streams = new Set<string>();
  let bytes = 0;
  let full = false;
  for (const append of waiting) {
    full ||=
      taken.length === MAX_MEMBERS_PER_CALL || (taken.length > 0 && bytes + append.bytes > MAX_APPEND_BYTES);
    if (full || streams.has(append.stream)) {
      left.push(append);
      continue;
    }
    taken.push(append);
    streams.add(append.stream);
    bytes += append.bytes;
  }
  waiting.splice(0, waiting.length, ...left);
  return taken;
}

interface Called {
  /** A position that none of the members is past. */
  readonly through: Position | null;
  settle(): void;
}

/** Throws where nothing was appended. */
async function call(pool: Pool, members: readonly WaitingAppend[]): Promise<Called> {
  let row: { actual: number[]; before_first: string } | undefined;
  try {
    [row] = await pool.query<{ actual: number[]; before_first: string }>(
      appendStatement,
      appendParams(members),
    );
  } catch (error) {
    if (members.length > 1 || sqlState(error) !== UNIQUE_VIOLATION) throw error;
    const [member] = members as [WaitingAppend];
    await answerKnownIds(pool, member, null);
    return { through: null, settle: () => undefined };
  }
  const { actual, before_first: beforeFirst } = row!;
  const count = members.reduce((sum, { events }) => sum + events.length, 0);
  return {
    through: positionOf(Number(beforeFirst) + count),
    settle() {
      let position = Number(beforeFirst);
      for (const [index, member] of members.entries()) {
        position += member.events.length;
        const version = actual[index]!;
        if (member.expected === 'any' || member.expected === version) {
          member.resolve({
            ok: true,
            version: version + member.events.length,
            position: positionOf(position),
          });
        } else {
          // Off the hot path: was it appended before? Not awaited, for the next call need not wait.
          void answerKnownIds(pool, member, version).catch(member.reject);
        }
      }
    },
  };
}

const knownIds: Prepared = {
  name: 'log_known_ids',
  text: `SELECT e.stream, e.version, e.position::text
           FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, nth)
           LEFT JOIN plinth_log.events e ON e.id = wanted.id
          ORDER BY wanted.nth`,
};

/**
 * The original answer, when these very events stand where they were to be appended; a conflict with
 * `actual`, when none of them is in the log; else an id is used twice.
 */
async function answerKnownIds(pool: Pool, member: WaitingAppend, actual: number | null): Promise<void> {
  const found = await pool.query<{ stream: string | null; version: number; position: string }>(knownIds, [
    member.events.map((event) => event.id),
  ]);
  if (actual !== null && found.every((row) => row.stream === null)) {
    member.resolve({ ok: false, actual });
    return;
  }
  const before = member.expected === 'any' ? (found[0]?.version ?? 0) - 1 : member.expected;
  const same = found.every((row, i) => row.stream === member.stream && row.version === before + i + 1);
  const last = found.at(-1);
  if (!same || last === undefined) {
    throw new InvalidAppend('duplicate_id', `${member.stream}: an event id is already used in the log`);
  }
  member.resolve({ ok: true, version: last.version, position: positionOf(last.position) as Position });
}
