/** What is known of a person by id alone: which of the data keys were destroyed. */
import type { SubjectEvent } from '../../schemas/events/subjects.ts';
import type { Fact } from '../decider.ts';

export interface SubjectState {
  /** Version of the stream; 0: nothing was ever erased. */
  readonly version: number;
  /** Ids of all keys that the latest erasure named. */
  readonly erasedKeyIds: readonly string[];
  readonly erasedAtMs: number | null;
}

export const noSubject: SubjectState = { version: 0, erasedKeyIds: [], erasedAtMs: null };

export function evolveSubject(state: SubjectState, event: Fact<SubjectEvent>): SubjectState {
  if (event.type !== 'subject.erased') return { ...state, version: event.version };
  return { version: event.version, erasedKeyIds: event.data.keyIds, erasedAtMs: event.timeMs };
}
