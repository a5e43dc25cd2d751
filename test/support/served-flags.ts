/** Flags of an environment made by hand, compiled as the product compiles them: what evaluation is served from. */
import type { Caller } from '../../api/deps.ts';
import type { FlagsUse } from '../../api/flags/flags-use.ts';
import type { ServedEnvironment, ServedFlag, ServedFlags } from '../../api/flags/served-environment.ts';
import { compileProgram } from '../../commands/flags/compile-program.ts';
import type { FlagMetadata } from '../../commands/flags/engine/resolution.ts';
import { noEnvironment } from '../../commands/flags/environment-state.ts';
import { type FlagInEnvironment, flagProgram } from '../../commands/flags/flag-program.ts';
import { compileSegments } from '../../commands/flags/segments.ts';
import { environmentStream } from '../../commands/streams.ts';
import { DEFAULT_TENANT } from '../../commands/tenants/default-tenant.ts';
import type { Position, StreamId } from '../../schemas/envelope.ts';
import {
  type FlagSettings,
  type FlagValueType,
  flagSettingsSchema,
  type Variants,
} from '../../schemas/flag-values.ts';

const KEYS = { project: 'shop', environment: 'production' };
const STREAM: StreamId = environmentStream(DEFAULT_TENANT, KEYS.project, KEYS.environment);

export interface HandMadeFlag {
  readonly variants: Variants;
  /** The first variant serves, and the last one when it is off, unless something else is said. */
  readonly settings?: Partial<FlagSettings>;
  readonly type?: FlagValueType;
  /** Unless false. */
  readonly clientVisible?: boolean;
  readonly metadata?: FlagMetadata;
}

export function servedEnvironment(
  flags: Readonly<Record<string, HandMadeFlag>>,
  position = '00000000000000000007' as Position,
): ServedEnvironment {
  const inEnvironment = new Map(
    Object.entries(flags).map(([key, flag]) => [key, flagInEnvironment(key, flag)] as const),
  );
  const segments = compileSegments(new Map());
  const around = { flag: (key: string) => inEnvironment.get(key), segments };
  const served = Object.entries(flags).map(([key, flag]): [string, ServedFlag] => [
    key,
    {
      key,
      clientVisible: flag.clientVisible ?? true,
      type: flag.type ?? 'boolean',
      program: compileProgram(
        flagProgram(inEnvironment.get(key)!, around),
        segments.evaluators,
        flag.metadata,
      ),
    },
  ]);
  return {
    tenant: DEFAULT_TENANT,
    ...KEYS,
    stream: STREAM,
    position,
    flags: new Map(served),
    // Evaluation looks at what was compiled alone.
    contents: noEnvironment,
    readsClock: served.some(([, { program }]) => program.readsClock),
    isPartOfPosition: false,
  };
}

function flagInEnvironment(key: string, { variants, settings = {} }: HandMadeFlag): FlagInEnvironment {
  const names = Object.keys(variants);
  return {
    key,
    variants,
    seed: `fl_${key}`,
    settings: flagSettingsSchema.parse({
      mode: 'on',
      offVariant: names.at(-1),
      prerequisites: [],
      targets: [],
      rules: [],
      fallthrough: { variant: names[0] },
      ...settings,
    }),
  };
}

/** Flags that the test changes at will; each read is told. */
export interface HandMadeServing {
  readonly served: ServedFlags;
  environment: ServedEnvironment | null;
  /** What was asked to be reached, a read each. */
  readonly asked: (Position | undefined)[];
}

export function handMadeServing(environment: ServedEnvironment | null): HandMadeServing {
  const serving: HandMadeServing = {
    environment,
    asked: [],
    served: {
      of(stream, atLeast) {
        serving.asked.push(atLeast);
        return stream === STREAM ? serving.environment : null;
      },
    },
  };
  return serving;
}

const callerOf = (keyId: string, use: FlagsUse, environment = KEYS): Caller => ({
  tenant: DEFAULT_TENANT,
  keyId,
  use,
  environment: { ...environment },
  ownerId: null,
  permissions: [],
});

/** By credential. */
export const flagsCallers: Readonly<Record<string, Caller>> = {
  'server-key': callerOf('key_000000000011', 'flags-server'),
  'client-key': callerOf('key_000000000012', 'flags-client'),
  'early-key': callerOf('key_000000000013', 'flags-server', {
    project: 'shop',
    environment: 'made-just-now',
  }),
};
