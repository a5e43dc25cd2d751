/** The keyring of peppers: secrets outside every database, under which key digests are made. */
import type { Secret } from '../schemas/secret.ts';

export interface Peppers {
  /** The highest version: new digests are made under it. */
  readonly current: number;
  /** Ascending. Old ones stay, for digests made under them. */
  readonly versions: readonly number[];
  /** 32 bytes or more. Undefined for a version that the keyring does not hold. */
  pepper(version: number): Secret<Uint8Array> | undefined;
}
