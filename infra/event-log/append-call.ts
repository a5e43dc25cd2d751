/** One call of `plinth_log.append`: members in, the parameters of the statement out. */
import type { Expected } from '../../commands/event-log.ts';
import { LEAF_NONCE_BYTES, type NewEvent, type StreamId } from '../../schemas/envelope.ts';
import type { Prepared } from '../postgres/pool.ts';

export interface Member {
  readonly stream: StreamId;
  readonly expected: Expected;
  readonly events: readonly NewEvent[];
}

export const appendStatement: Prepared = {
  name: 'log_append',
  text: 'SELECT actual, before_first::text FROM plinth_log.append($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)',
};

/** Arrays are written here as PostgreSQL reads them: the driver would look at each element's type. */
export function appendParams(members: readonly Member[]): unknown[] {
  const streams: string[] = [];
  const expected: number[] = [];
  const ofMember: number[] = [];
  const nths: number[] = [];
  const eventStreams: string[] = [];
  const ids: string[] = [];
  const types: string[] = [];
  const schemaVersions: number[] = [];
  const times: number[] = [];
  const offsets: number[] = [];
  const dataBytes: number[] = [];
  const metadataBytes: number[] = [];
  let totalBytes = 0;
  for (const member of members) {
    const stream = quoted(member.stream);
    streams.push(stream);
    expected.push(member.expected === 'any' ? -1 : member.expected);
    for (const [index, event] of member.events.entries()) {
      ofMember.push(streams.length);
      nths.push(index + 1);
      eventStreams.push(stream);
      ids.push(quoted(event.id));
      types.push(quoted(event.type));
      schemaVersions.push(event.schemaVersion);
      times.push(event.timeMs);
      offsets.push(totalBytes + 1);
      dataBytes.push(event.data.length);
      metadataBytes.push(event.metadata.length);
      totalBytes += LEAF_NONCE_BYTES + event.data.length + event.metadata.length;
    }
  }
  const arrays = [
    streams,
    expected,
    ofMember,
    nths,
    eventStreams,
    ids,
    types,
    schemaVersions,
    times,
    offsets,
    dataBytes,
    metadataBytes,
  ];
  return [...arrays.map((values) => `{${values.join()}}`), concatenated(members, totalBytes)];
}

/** Nearly nothing does: looking is cheaper than replacing. */
const MUST_ESCAPE = /["\\]/;

function quoted(text: string): string {
  return MUST_ESCAPE.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`;
}

function concatenated(members: readonly Member[], totalBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(totalBytes);
  let at = 0;
  for (const member of members) {
    for (const event of member.events) {
      bytes.set(event.nonce, at);
      at += event.nonce.length;
      bytes.set(event.data, at);
      at += event.data.length;
      bytes.set(event.metadata, at);
      at += event.metadata.length;
    }
  }
  return bytes;
}
