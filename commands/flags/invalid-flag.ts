/** A flag or segment that cannot be evaluated as it stands. The message says what to mend. */
export class InvalidFlag extends Error {
  override readonly name = 'InvalidFlag';
}
