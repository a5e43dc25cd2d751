/** Where reactors stand, in memory. */
import type { ReactorCheckpoints } from '../../commands/reactor.ts';
import type { Bookmark } from '../../schemas/envelope.ts';

export function memoryReactorCheckpoints(): ReactorCheckpoints {
  const at = new Map<string, Bookmark>();
  const same = (a: Bookmark | null, b: Bookmark | null) =>
    a?.epoch === b?.epoch && a?.position === b?.position && a?.eventId === b?.eventId;
  return {
    async load(reactor) {
      return at.get(reactor) ?? null;
    },
    async save(reactor, from, to) {
      if (!same(at.get(reactor) ?? null, from)) return false;
      at.set(reactor, to);
      return true;
    },
  };
}
