/** What a flags key reads: the flags of its environment, all of them or those that clients may see. */
import { environmentStream } from '../../commands/streams.ts';
import type { StreamId } from '../../schemas/envelope.ts';
import type { KeyEnvironment, KeyUse } from '../../schemas/values.ts';
import type { Caller } from '../deps.ts';

/** A client's key is public by design: it sees `clientVisible` flags only, and never a rule. */
export type FlagsUse = Extract<KeyUse, `flags-${string}`>;

export interface FlagsReader {
  readonly keyId: string;
  readonly use: FlagsUse;
  /** The stream of its environment. */
  readonly stream: StreamId;
}

/** By what a key says of its environment: an object of that key's alone, and the same as long as it is cached. */
const readers = new WeakMap<KeyEnvironment, FlagsReader>();

/** Only of a caller whom a route for flags keys has let in. */
export function flagsReader({ tenant, keyId, use, environment }: Caller): FlagsReader {
  if (environment === null || (use !== 'flags-server' && use !== 'flags-client')) {
    throw new Error('the caller has no key for flags');
  }
  let reader = readers.get(environment);
  if (!reader) {
    // A SHA-1, not for every request.
    reader = { keyId, use, stream: environmentStream(tenant, environment.project, environment.environment) };
    readers.set(environment, reader);
  }
  return reader;
}
