/** What a role tells of an error that it waits behind: of an engine in our words, of all else in its own. */
import { describe } from '../../projections/parking.ts';
import type { Settings } from '../../schemas/config.ts';
import { troubleOf } from '../engine-trouble.ts';

export function problemOf({ databaseUrl }: Pick<Settings, 'databaseUrl'>): (error: unknown) => string {
  return (error) => {
    const trouble = troubleOf(error, databaseUrl === null);
    if (trouble !== null) return trouble;
    // It says what to do, in a sentence for whoever does it.
    const isSentence = error instanceof Error && error.name.endsWith('Halted');
    return isSentence ? error.message : describe(error);
  };
}
