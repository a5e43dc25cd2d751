/**
 * Why a context gets what it gets of a flag, now or as of a moment. It folds the log, and evaluates at the
 * time of the question or of the moment, so that asking for the same moment again answers the same bytes.
 */
import { type Epoch, type Position, positionToken, type TenantId } from '../../schemas/envelope.ts';
import type { EnvironmentEvent } from '../../schemas/events/flags.ts';
import type { FlagExplanationView } from '../../schemas/views/flags.ts';
import { publicDecoder } from '../decode-stream.ts';
import { type AsOfDeps, foldThrough, type Moment } from '../keys/key-as-of.ts';
import { environmentStream } from '../streams.ts';
import { compileOne } from './compile-environment.ts';
import type { EvaluationContext } from './engine/compile-flag.ts';
import type { InEnvironment } from './environment-command.ts';
import { type EnvironmentState, evolveEnvironment, noEnvironment } from './environment-state.ts';

export interface ExplainRequest extends InEnvironment {
  readonly flag: string;
  readonly context: EvaluationContext;
  /** Null: as it is now. */
  readonly moment: Moment | null;
}

/** Null: there was no such flag then. */
export async function explainFlag(
  deps: AsOfDeps,
  tenant: TenantId,
  { project, environment, flag: key, context, moment }: ExplainRequest,
  nowMs: number,
  epoch: Epoch,
): Promise<FlagExplanationView | null> {
  const through: Moment = moment ?? { timeMs: Number.MAX_SAFE_INTEGER };
  const stream = environmentStream(tenant, project, environment);
  const { state, last } = await foldThrough<EnvironmentState, EnvironmentEvent>(
    // Nothing that decides an answer is personal: reasons stay closed.
    { ...deps, codec: publicDecoder(deps.codec) },
    evolveEnvironment,
    noEnvironment,
    stream,
    through,
    tenant,
  );
  const flag = state.flags.get(key);
  if (!flag || !last) return null;
  const atMs = moment === null ? nowMs : 'timeMs' in moment ? moment.timeMs : last.timeMs;
  const { trace, bucket, flagMetadata, ...resolution } = compileOne(state, key)!.explain(context, atMs);
  return {
    flag: key,
    ...(resolution as Pick<FlagExplanationView, 'value' | 'reason'>),
    mode: flag.settings.mode,
    revision: flag.revision,
    position: positionToken(epoch, last.position as Position),
    at: new Date(atMs).toISOString(),
    trace: [...trace],
    bucket: bucket && { ...bucket },
  };
}
