/** The same changes, and each page of them told, so that what has changed is read before anybody asks for it. */
import type { ChangesSource } from '../../projections/changes.ts';
import type { StreamId } from '../../schemas/envelope.ts';

export function toldChanges(
  changes: ChangesSource,
  tell: (streams: ReadonlySet<StreamId>) => void,
): ChangesSource {
  return {
    async poll(after) {
      const page = await changes.poll(after);
      if (page.changes.length > 0) tell(new Set(page.changes.map(({ stream }) => stream)));
      return page;
    },
    listen: (hint, signal) => changes.listen(hint, signal),
  };
}
