/** What evaluation answers from: the flags of one environment, compiled, and where they come from. */

import type { CompiledProgram } from '../../commands/flags/compile-program.ts';
import type { EnvironmentState } from '../../commands/flags/environment-state.ts';
import type { Position, StreamId, TenantId } from '../../schemas/envelope.ts';
import type { FlagValueType } from '../../schemas/flag-values.ts';

export interface ServedFlag {
  readonly key: string;
  /** Shown to `flags-client` keys. */
  readonly clientVisible: boolean;
  readonly type: FlagValueType;
  readonly program: CompiledProgram;
}

/** The flags of one environment, compiled. */
export interface ServedEnvironment {
  readonly tenant: TenantId;
  /** Keys, as people write them. */
  readonly project: string;
  readonly environment: string;
  /** The environment's stream. */
  readonly stream: StreamId;
  /** Of the last event of the environment's stream that is in it. */
  readonly position: Position;
  readonly flags: ReadonlyMap<string, ServedFlag>;
  /** What the flags were compiled from. */
  readonly contents: Pick<EnvironmentState, 'flags' | 'segments'>;
  /** Some flag reads the clock: nothing may be answered 304. */
  readonly readsClock: boolean;
  /**
   * Kills are in it, and not what waits before them: once that is projected the same position says more, so
   * it makes no tag.
   */
  readonly isPartOfPosition: boolean;
}

export interface ServedFlags {
  /**
   * Null: there is no such environment. With `atLeast` it waits, for a bounded time, and throws `PlinthError`
   * `projection_behind` when it has not got there.
   */
  of(stream: StreamId, atLeast?: Position): ServedEnvironment | null | Promise<ServedEnvironment | null>;
}
