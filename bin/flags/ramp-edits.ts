/** What raises or lowers the share of a flag: edits of its mode and of whom no rule holds for. */
import type { FlagEdit } from '../../schemas/commands/flags.ts';
import { type Rollout, WHOLE } from '../../schemas/flag-values.ts';
import type { EnvironmentFlagView } from '../../schemas/views/flags.ts';
import { Failure } from '../failure.ts';

export interface Ramp {
  /** Of 100,000. */
  readonly exposure: number;
  /** The attribute that decides; left out: the one that does already, or `targetingKey`. */
  readonly by?: string;
  /** Left out: those that are dealt out already, or the only one that there can be. */
  readonly variant?: string;
}

type Flag = Pick<EnvironmentFlagView, 'flag' | 'mode' | 'variants' | 'offVariant' | 'fallthrough'>;

/** Who has got a variant keeps it as the share grows, unless `by` or `variant` are others. */
export function rampEdits(flag: Flag, { exposure, by, variant }: Ramp): readonly FlagEdit[] {
  if (flag.mode === 'killed') {
    throw new Failure(`${flag.flag} was killed: \`plinth flags on\` or a rollback brings it back.`);
  }
  const was = 'rollout' in flag.fallthrough ? flag.fallthrough.rollout : null;
  const weights =
    variant === undefined && was ? was.weights : [{ variant: variant ?? onVariant(flag), weight: 1 }];
  const rollout: Rollout = { by: by ?? was?.by ?? 'targetingKey', exposure, weights };
  return [
    { edit: 'set_fallthrough', fallthrough: { rollout } },
    ...(flag.mode === 'on' ? [] : [{ edit: 'set_mode' as const, mode: 'on' as const }]),
  ];
}

function onVariant({ flag, variants, offVariant, fallthrough }: Flag): string {
  if ('variant' in fallthrough && fallthrough.variant !== offVariant) return fallthrough.variant;
  const others = Object.keys(variants).filter((name) => name !== offVariant);
  if (others.length === 1) return others[0]!;
  throw new Failure(`Say which variant of ${flag} is dealt out: --variant ${others.join(' or ')}.`);
}

/** `25`, `12.5` or `0.125`; null: it is no share. */
export function exposureOf(percent: string): number | null {
  if (!/^\d{1,3}(\.\d{1,3})?$/.test(percent)) return null;
  const exposure = Math.round(Number(percent) * (WHOLE / 100));
  return exposure <= WHOLE ? exposure : null;
}
