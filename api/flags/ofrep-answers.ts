/**
 * What OFREP answers, as JSON text. The same variant is the same object wherever it is answered, so its text
 * is written once.
 *
 * A rollout by an attribute that the context lacks serves the off variant, on every evaluator alike: nothing
 * answers TARGETING_KEY_MISSING.
 */
import type { EvaluationContext } from '../../commands/flags/engine/compile-flag.ts';
import type { Resolution } from '../../commands/flags/engine/resolution.ts';
import type {
  OfrepErrorCode,
  OfrepEvaluation,
  OfrepEventStream,
  OfrepFailure,
} from '../../schemas/views/ofrep.ts';
import type { FlagsUse } from './flags-use.ts';
import type { ServedEnvironment, ServedFlag } from './served-environment.ts';

export interface OfrepAnswer {
  readonly status: 200 | 400 | 404;
  readonly body: string;
}

/** A flag that the key may not see is answered like one that is not there. */
export function singleAnswer(
  { flags }: ServedEnvironment,
  key: string,
  context: EvaluationContext,
  use: FlagsUse,
  nowMs: number,
): OfrepAnswer {
  const flag = flags.get(key);
  if (!flag || !isShown(flag, use)) {
    return { status: 404, body: failureText(key, 'FLAG_NOT_FOUND', 'There is no such flag here.') };
  }
  const resolution = flag.program.evaluate(context, nowMs);
  const body = textOf(flag, resolution, use);
  return { status: resolution.errorCode === undefined ? 200 : 400, body };
}

export function invalidContext(key: string, why: string): OfrepAnswer {
  return { status: 400, body: failureText(key, 'INVALID_CONTEXT', why) };
}

/** Of one flag in the list of all; null: it is not in the list. */
export function listedText(
  flag: ServedFlag,
  context: EvaluationContext,
  { use, omitCodeDefaults }: { readonly use: FlagsUse; readonly omitCodeDefaults: boolean },
  nowMs: number,
): string | null {
  if (!isShown(flag, use)) return null;
  const resolution = flag.program.evaluate(context, nowMs);
  const isCodeDefault = resolution.value === undefined && resolution.errorCode === undefined;
  return omitCodeDefaults && isCodeDefault ? null : textOf(flag, resolution, use);
}

/** @param flags texts of its members, separated by commas */
export function bulkText(flags: string, eventStreams: readonly OfrepEventStream[]): string {
  const streams = eventStreams.length === 0 ? '' : `,"eventStreams":${JSON.stringify(eventStreams)}`;
  return `{"flags":[${flags}]${streams}}`;
}

function isShown({ clientVisible }: ServedFlag, use: FlagsUse): boolean {
  return clientVisible || use === 'flags-server';
}

const texts = new WeakMap<Resolution, string>();

function textOf({ key }: ServedFlag, resolution: Resolution, use: FlagsUse): string {
  const known = texts.get(resolution);
  if (known !== undefined) return known;
  const { errorCode, errorMessage } = resolution;
  if (errorCode !== undefined) {
    // What went wrong tells of the rules, which clients never see.
    const why = use === 'flags-server' ? errorMessage : 'This flag cannot be evaluated.';
    return failureText(key, errorCode === 'TYPE_MISMATCH' ? 'GENERAL' : errorCode, why ?? '');
  }
  const text = JSON.stringify(evaluationOf(key, resolution));
  texts.set(resolution, text);
  return text;
}

function evaluationOf(key: string, { value, variant, reason, flagMetadata }: Resolution): OfrepEvaluation {
  return {
    key,
    ...(value !== undefined && { value: value as OfrepEvaluation['value'] }),
    reason: reason as OfrepEvaluation['reason'],
    ...(variant !== undefined && { variant }),
    ...(Object.keys(flagMetadata).length > 0 && { metadata: flagMetadata }),
  };
}

function failureText(key: string, errorCode: OfrepErrorCode, errorDetails: string): string {
  return JSON.stringify({ key, errorCode, errorDetails } satisfies OfrepFailure);
}
