/** `Plinth-Position`: where the log stood for an answer, and where it must stand for a read. */
import { type Epoch, type Position, parsePositionToken } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';

export const POSITION_HEADER = 'plinth-position';
/** How long a read waits for its read model to reach the position asked for. */
export const MAX_READ_WAIT_MS = 2_000;

/** Throws `invalid_request` for what is no token of ours, `epoch_gone` for one of another history. */
export function positionOf(header: string | string[] | undefined, epoch: Epoch): Position | undefined {
  if (header === undefined) return undefined;
  const token = typeof header === 'string' ? parsePositionToken(header) : null;
  if (!token) {
    const message = 'a position is sent back as an answer carried it';
    throw new PlinthError('invalid_request', 'Plinth-Position is not a position token.', {
      errors: [{ field: `header.${POSITION_HEADER}`, message }],
    });
  }
  if (token.epoch !== epoch) {
    throw new PlinthError('epoch_gone', 'Plinth-Position belongs to a history that is gone.');
  }
  return token.position;
}
