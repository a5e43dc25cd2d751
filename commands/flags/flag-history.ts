/** What happened to a flag in an environment, change by change, told from the log. */
import { type DecodedEvent, type Epoch, type Position, positionToken } from '../../schemas/envelope.ts';
import type { ChangeCause } from '../../schemas/events/flags.ts';
import type { ChangeEntry } from '../../schemas/views/changes.ts';
import { decodeStream, ownEvents } from '../decode-stream.ts';
import type { AsOfDeps } from '../keys/key-as-of.ts';
import { environmentStream } from '../streams.ts';
import type { InEnvironment } from './environment-command.ts';
import { type EnvironmentFlag, evolveFlag, type FlagFact } from './environment-state.ts';
import { type PartChange, partsBetween } from './flag-parts.ts';

export interface FlagChange {
  readonly event: DecodedEvent;
  readonly revision: number;
  readonly changes: readonly PartChange[];
}

export interface FlagHistory {
  /** Oldest first. */
  readonly entries: readonly FlagChange[];
  /** What to go on after; null: that was all. */
  readonly next: Position | null;
}

/** Null: the environment has no such flag. At most `limit` entries after the position (null: from the first). */
export async function flagHistory(
  deps: AsOfDeps,
  tenant: string,
  at: InEnvironment & { readonly flag: string },
  page: { readonly after: Position | null; readonly limit: number },
): Promise<FlagHistory | null> {
  const recorded = await deps.log.readStream(environmentStream(tenant, at.project, at.environment));
  const events = await decodeStream(deps.codec, ownEvents(recorded, tenant));
  const entries: FlagChange[] = [];
  let flag: EnvironmentFlag | undefined;
  for (const event of events) {
    if (!event.type.startsWith('flag.') || (event.data as { flag?: unknown }).flag !== at.flag) continue;
    const before = flag;
    flag = evolveFlag(flag, event as FlagFact)!;
    if (page.after !== null && event.position <= page.after) continue;
    if (entries.length === page.limit) return { entries, next: entries.at(-1)!.event.position };
    entries.push({ event, revision: flag.revision, changes: partsBetween(before, flag) });
  }
  return flag ? { entries, next: null } : null;
}

export function flagChangeView(
  epoch: Epoch,
  { event, revision, changes }: FlagChange,
): ChangeEntry & { readonly revision: number; readonly cause: ChangeCause | null } {
  const { reason = null, cause = null } = event.data as { reason?: string | null; cause?: ChangeCause };
  return {
    type: event.type,
    at: new Date(event.timeMs).toISOString(),
    position: positionToken(epoch, event.position),
    version: event.version,
    actor: event.metadata.actor,
    reason,
    changes: changes.map(({ part, before, after }) => ({
      field: part,
      before: before as ChangeEntry['changes'][number]['before'],
      after: after as ChangeEntry['changes'][number]['after'],
    })),
    correlationId: event.metadata.correlationId,
    revision,
    cause,
  };
}
