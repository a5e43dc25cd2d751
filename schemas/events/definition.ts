import type { z } from 'zod';
import type { Decoded, PublicDecoded } from '../envelope.ts';
import type { PublicPart } from '../personal.ts';

/** Turns data of schema version n into data of version n + 1. Pure: no clock, no randomness, no I/O. */
export type Upcaster = (data: Record<string, unknown>) => Record<string, unknown>;

export interface EventDefinition<S extends z.ZodObject = z.ZodObject> {
  /** The current schema version, from 1. */
  readonly version: number;
  readonly schema: S;
  /** `upcasters[n - 1]` lifts version n to n + 1; there are `version - 1` of them. */
  readonly upcasters: readonly Upcaster[];
}

export function defineEvent<S extends z.ZodObject>(
  version: number,
  schema: S,
  upcasters: readonly Upcaster[] = [],
): EventDefinition<S> {
  if (upcasters.length !== version - 1) throw new Error(`version ${version} needs ${version - 1} upcasters`);
  return { version, schema, upcasters };
}

export type EventDefinitions = Readonly<Record<string, EventDefinition>>;

/** The union of `{type, data}` of a domain's definitions: what its decider decides. */
export type EventOf<D extends EventDefinitions> = {
  [T in keyof D & string]: { readonly type: T; readonly data: z.infer<D[T]['schema']> };
}[keyof D & string];

/** The union of a domain's events as they are read back, personal fields opened. */
export type DecodedOf<D extends EventDefinitions> = {
  [T in keyof D & string]: Decoded<T, z.infer<D[T]['schema']>>;
}[keyof D & string];

/** The same with nothing opened. What takes the opened ones takes these too, and reads null where they are personal. */
export type PublicOf<D extends EventDefinitions> = {
  [T in keyof D & string]: PublicDecoded<T, PublicPart<D[T]['schema']>>;
}[keyof D & string];
