/** For whoever goes on with the next stream where one waits for an operator. */
import { PlinthError } from '../schemas/errors.ts';

/** Null: an event of the stream cannot be read, and an operator has not said yet what becomes of it. */
export async function unlessParked<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof PlinthError && error.rejection.code === 'stream_parked') return null;
    throw error;
  }
}
