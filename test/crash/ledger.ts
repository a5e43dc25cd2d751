/**
 * What clients were told, and whether the log agrees: every acknowledged command stands there exactly
 * once, whole, where it was said to stand, and in order.
 *
 * Order is that of real time: a command that was first sent after another had been acknowledged stands
 * behind it, whatever streams and clients the two are of.
 */
import type { Answer, Order } from './messages.ts';

/** One command, as its client knows it. Moments are ticks of one counter of the driver. */
export interface Entry {
  readonly order: Order;
  readonly commandId: string;
  readonly client: number;
  /** When it was sent for the first time. */
  readonly sentAt: number;
  /** When its answer came; null: it never did. */
  answeredAt: number | null;
  answer: Exclude<Answer, { kind: 'failed' }> | null;
  /** Digest of the secret that the client was given, as the log should hold it. */
  secretDigest: string | null;
}

/** What is looked at of an event in the log. */
export interface Logged {
  readonly id: string;
  readonly stream: string;
  readonly version: number;
  readonly position: string;
  readonly commandId: string;
  readonly actor: string;
  /** Of the secret that the event carries. */
  readonly secretDigest: string | null;
}

export type FaultKind = 'lost' | 'doubled' | 'reordered' | 'altered';

export interface Fault {
  readonly kind: FaultKind;
  readonly what: string;
}

/** `events`: the whole log in order of position. */
export function checkLedger(entries: readonly Entry[], events: readonly Logged[]): readonly Fault[] {
  const byCommand = new Map<string, Logged[]>();
  for (const event of events) {
    const same = byCommand.get(event.commandId);
    if (same) same.push(event);
    else byCommand.set(event.commandId, [event]);
  }
  return [
    ...streamFaults(events),
    ...strangers(entries, events),
    ...[...byCommand.values()].flatMap(wholeFaults),
    ...entries.flatMap((entry) => entryFaults(entry, byCommand.get(entry.commandId) ?? [])),
    ...orderFaults(entries, byCommand),
  ];
}

/** Versions of every stream count from 1 in the order of positions. */
function streamFaults(events: readonly Logged[]): Fault[] {
  const faults: Fault[] = [];
  const last = new Map<string, number>();
  const ids = new Set<string>();
  for (const { id, stream, version, position } of events) {
    const before = last.get(stream) ?? 0;
    if (ids.has(id)) faults.push({ kind: 'doubled', what: `event ${id} stands twice` });
    else if (version > before + 1) {
      faults.push({ kind: 'lost', what: `${stream}: version ${version} at ${position} follows ${before}` });
    } else if (version <= before) {
      faults.push({
        kind: 'reordered',
        what: `${stream}: version ${version} at ${position} follows ${before}`,
      });
    }
    ids.add(id);
    last.set(stream, Math.max(before, version));
  }
  return faults;
}

/** Only the platform itself gives commands that no client has given. */
function strangers(entries: readonly Entry[], events: readonly Logged[]): Fault[] {
  const known = new Set(entries.map((entry) => entry.commandId));
  return events
    .filter((event) => !event.actor.startsWith('system:') && !known.has(event.commandId))
    .map((event) => ({ kind: 'doubled', what: `${event.stream}: nobody asked for ${event.id}` }));
}

/** A command's events are one append: in one stream, one after the other. */
function wholeFaults(events: readonly Logged[]): Fault[] {
  const first = events[0]!;
  const whole = events.every(
    ({ stream, version }, index) => stream === first.stream && version === first.version + index,
  );
  return whole
    ? []
    : [{ kind: 'doubled', what: `${first.stream}: command ${first.commandId} stands more than once` }];
}

function entryFaults({ answer, order, secretDigest }: Entry, events: readonly Logged[]): Fault[] {
  if (answer === null) return [];
  const what = `${order.operation} ${order.target ?? ''} (${order.idempotencyKey})`;
  if (answer.kind === 'rejected' || answer.position === null) {
    const told = answer.kind === 'rejected' ? `was refused (${answer.code})` : 'changed nothing';
    return events.length === 0 ? [] : [{ kind: 'doubled', what: `${what} ${told}, and stands in the log` }];
  }
  if (events.length < answer.events) {
    return [{ kind: 'lost', what: `${what}: ${events.length} of ${answer.events} events are there` }];
  }
  if (events.length > answer.events) {
    return [{ kind: 'doubled', what: `${what}: ${events.length} events are there, not ${answer.events}` }];
  }
  const last = events.at(-1)!;
  if (last.version !== answer.version || last.position !== answer.position) {
    return [
      {
        kind: 'reordered',
        what: `${what}: it stands at version ${last.version}, ${last.position}; told ${answer.version}, ${answer.position}`,
      },
    ];
  }
  if (secretDigest !== null && secretDigest !== last.secretDigest) {
    return [{ kind: 'altered', what: `${what}: the client holds a secret that the log does not know` }];
  }
  return [];
}

/** One sweep: whoever stands behind must not have been acknowledged before any that stand ahead were sent. */
function orderFaults(
  entries: readonly Entry[],
  byCommand: ReadonlyMap<string, readonly Logged[]>,
): readonly Fault[] {
  const standing = entries
    .flatMap((entry) => {
      const first = byCommand.get(entry.commandId)?.[0];
      return first && entry.answeredAt !== null ? [{ entry, at: first.position }] : [];
    })
    .sort((a, b) => (a.at < b.at ? -1 : 1));
  const faults: Fault[] = [];
  let latest: Entry | null = null;
  for (const { entry } of standing) {
    if (latest && latest.sentAt > entry.answeredAt!) {
      faults.push({
        kind: 'reordered',
        what: `${entry.order.idempotencyKey} was acknowledged before ${latest.order.idempotencyKey} was sent, and stands behind it`,
      });
    }
    if (!latest || entry.sentAt > latest.sentAt) latest = entry;
  }
  return faults;
}

/** A command that is sent again answers what it answered first, and never the secret. */
export function replayFault(entry: Entry, again: Exclude<Answer, { kind: 'failed' }>): Fault | null {
  const first = entry.answer;
  if (first?.kind !== 'accepted') return null;
  const same =
    again.kind === 'accepted' &&
    again.replayed &&
    again.secret === null &&
    again.id === first.id &&
    again.version === first.version &&
    again.position === first.position &&
    again.events === first.events;
  if (same) return null;
  const shown = again.kind === 'accepted' ? { ...again, secret: again.secret !== null } : again;
  return {
    kind: 'altered',
    what: `${entry.order.idempotencyKey} answered ${JSON.stringify(shown)} when it was sent again, after ${JSON.stringify({ ...first, secret: first.secret !== null })}`,
  };
}

/** A new secret is shown by the answer that tells of its making, and by no other. */
export function secretFault(entry: Entry, answer: Exclude<Answer, { kind: 'failed' }>): Fault | null {
  if (answer.kind === 'rejected') return null;
  const { operation, idempotencyKey } = entry.order;
  const makesOne = operation === 'issue' || operation === 'rotate';
  const shall = makesOne && !answer.replayed && answer.position !== null;
  if (shall === (answer.secret !== null)) return null;
  const what = `${idempotencyKey} (${operation}, ${answer.replayed ? '' : 'not '}replayed) ${shall ? 'hides its' : 'shows a'} secret`;
  return { kind: 'altered', what };
}
