/**
 * Erases a person: closes the data keys, waits until nobody can hold one, and says so in the log. What
 * follows the log destroys the keys and blanks the fields.
 *
 * It may stop at any step and is safe to repeat: closing again closes nothing anew, and the append is the
 * command's, once.
 */
import type { SubjectEvent } from '../../schemas/events/subjects.ts';
import { type DataKeys, MAX_HELD_MS } from '../data-keys.ts';
import type { Decider } from '../decider.ts';
import { type CommandContext, type ExecuteDeps, execute, type Outcome } from '../execute.ts';
import { subjectStream } from '../streams.ts';
import { evolveSubject, noSubject, type SubjectState } from './subject-state.ts';

export interface EraseSubjectDeps extends ExecuteDeps {
  readonly dataKeys: Pick<DataKeys, 'close'>;
}

/**
 * From the closing to the append. Whoever got a key a moment before may encrypt under it for `MAX_HELD_MS`;
 * the second on top is for the difference between two clocks' idea of that time.
 */
export const ERASURE_WAIT_MS = MAX_HELD_MS + 1_000;

interface EraseCommand {
  readonly subject: string;
  readonly keyIds: readonly string[];
}

const eraseDecider: Decider<SubjectState, EraseCommand, SubjectEvent> = {
  initial: noSubject,
  evolve: evolveSubject,
  // Also when there is no key, or each was named before: an erasure that comes later blanks what was
  // written since, and a field that a slow writer left under a named key counts as erased from then on.
  decide: ({ subject, keyIds }) => ({
    accept: [{ type: 'subject.erased', data: { subject, keyIds: [...keyIds] } }],
  }),
};

/**
 * `context`: at the subject's stream. Takes `ERASURE_WAIT_MS` and a little; a repeated command that was
 * carried out before is answered at once.
 */
export function eraseSubject(
  deps: EraseSubjectDeps,
  context: CommandContext,
  { subject }: { readonly subject: string },
): Promise<Outcome<SubjectState>> {
  return execute(deps, {
    decider: eraseDecider,
    stream: subjectStream(context.tenant, subject),
    context,
    async command() {
      const keyIds = await deps.dataKeys.close(context.tenant, subject);
      await deps.clock.sleep(ERASURE_WAIT_MS);
      return { subject, keyIds };
    },
  });
}
