/** What an evaluation answers: OpenFeature's resolution details. */
import type { Json } from '../../../schemas/json.ts';

/** flagd's flags say no `SPLIT`. */
export type Reason = 'STATIC' | 'DEFAULT' | 'TARGETING_MATCH' | 'SPLIT' | 'DISABLED' | 'ERROR';
export type EvaluationError =
  | 'FLAG_NOT_FOUND'
  | 'PARSE_ERROR'
  | 'TYPE_MISMATCH'
  | 'INVALID_CONTEXT'
  | 'GENERAL';
export type FlagMetadata = Readonly<Record<string, string | number | boolean>>;

export interface Resolution {
  /** Absent: whoever asks uses the default in its own code. */
  readonly value?: Json;
  readonly variant?: string;
  readonly reason: Reason;
  readonly errorCode?: EvaluationError;
  readonly errorMessage?: string;
  readonly flagMetadata: FlagMetadata;
}

export function failed(
  errorCode: EvaluationError,
  errorMessage: string,
  flagMetadata: FlagMetadata = {},
): Resolution {
  return Object.freeze({ reason: 'ERROR', errorCode, errorMessage, flagMetadata });
}
