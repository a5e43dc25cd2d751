import type { Moment } from '../../commands/keys/key-as-of.ts';
import { type Epoch, parsePositionToken } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';

/** What `asOf` means: an RFC 3339 time, or a position token of this history. Throws `epoch_gone`. */
export function momentOf(asOf: string, epoch: Epoch): Moment {
  const token = parsePositionToken(asOf);
  if (token === null) return { timeMs: Date.parse(asOf) };
  if (token.epoch !== epoch) {
    throw new PlinthError('epoch_gone', '`asOf` is a position of a history that is gone.');
  }
  return { position: token.position };
}
