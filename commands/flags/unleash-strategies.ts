/** Whom an activation strategy of Unleash turns a flag on for: https://docs.getunleash.io/concepts/activation-strategies */
import { MAX_TARGET_KEYS, type Target, WHOLE } from '../../schemas/flag-values.ts';
import { isJsonObject, type Json, type JsonObject } from '../../schemas/json.ts';
import {
  addressHolds,
  allOf,
  attributeOf,
  constraintHolds,
  type Holds,
  NotCarried,
  oneOf,
  quoted,
  texts,
  withinBounds,
} from './unleash-constraints.ts';
import { objects, text } from './unleash-export.ts';

export interface Audience {
  readonly holds: Holds;
  /** Of 100,000, of those for whom it holds. */
  readonly exposure: number;
  /** Whose value decides who is exposed. */
  readonly by: string;
  /** In Unleash two strategies of one group expose the same ones first. */
  readonly group: string;
  /** Users that it is for, and nothing else is asked of them; null: it is not such a strategy. */
  readonly userIds: readonly string[] | null;
}

/** A segment as a part of rules. Throws `NotCarried` where it is none. */
export type SegmentHolds = (id: string, note: (message: string) => void) => Holds;

/** Throws `NotCarried`; `note` is told what is said otherwise. */
export function audienceOf(
  strategy: JsonObject,
  feature: string,
  segment: SegmentHolds,
  note: (message: string) => void,
): Audience {
  const parameters = isJsonObject(strategy.parameters) ? strategy.parameters : {};
  const listed = (name: string) =>
    (text(parameters[name]) ?? '')
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '');
  const constraints = [
    ...objects(strategy.constraints).map((constraint) => constraintHolds(constraint, note)),
    ...texts(strategy.segments).map((id) => segment(id, note)),
  ];
  const group = text(parameters.groupId) ?? feature;
  const everybody = { exposure: WHOLE, by: 'targetingKey', group, userIds: null };
  const audience = (own: Holds, more: Partial<Audience> = {}): Audience => ({
    ...everybody,
    ...more,
    holds: withinBounds(allOf([own, ...constraints])),
  });
  const share = (percent: Json | undefined, stickiness: Json | undefined): Audience => {
    const [exposure, by] = [exposureOf(percent), stickinessOf(stickiness, note)];
    // Also where everybody is in: who has no such attribute is not. By default there is one for everybody.
    const anybody =
      stickiness === undefined || stickiness === '' || stickiness === 'default' || stickiness === 'random';
    const own = exposure < WHOLE || anybody || { attribute: by, is: 'exists' as const, value: true };
    return audience(own, { exposure, by });
  };
  switch (strategy.name) {
    case 'default':
      return audience(true);
    case 'flexibleRollout':
      return share(parameters.rollout, parameters.stickiness);
    case 'gradualRolloutUserId':
      return share(parameters.percentage, 'userId');
    case 'gradualRolloutSessionId':
      return share(parameters.percentage, 'sessionId');
    case 'gradualRolloutRandom':
      return share(parameters.percentage, 'random');
    case 'userWithId': {
      const userIds = listed('userIds');
      return audience(oneOf('targetingKey', userIds), { userIds: constraints.length === 0 ? userIds : null });
    }
    case 'remoteAddress':
      return audience(addressHolds('remoteAddress', listed('IPs'), note));
    case 'applicationHostname': {
      note('the context must say the name of the host, in small letters, as the attribute hostname');
      const names = listed('hostNames').map((name) => name.toLowerCase());
      return audience(oneOf('hostname', names));
    }
    default:
      throw new NotCarried(`its strategy ${quoted(strategy.name)} is none that is known`);
  }
}

function exposureOf(percent: Json | undefined): number {
  const share = Number(typeof percent === 'string' || typeof percent === 'number' ? percent : Number.NaN);
  return Number.isFinite(share) ? Math.round(Math.min(Math.max(share, 0), 100) * (WHOLE / 100)) : 0;
}

export function stickinessOf(stickiness: Json | undefined, note: (message: string) => void): string {
  if (stickiness === undefined || stickiness === '' || stickiness === 'default') return 'targetingKey';
  if (stickiness === 'random') {
    note('it was dealt out at random at every call; it is dealt out by targetingKey');
    return 'targetingKey';
  }
  return attributeOf(stickiness);
}

/** Users that get a variant whatever the rules say. */
export function targetsFor(userIds: readonly string[], variant: string): readonly Target[] {
  const targets: Target[] = [];
  for (let i = 0; i < userIds.length; i += MAX_TARGET_KEYS) {
    targets.push({ variant, keys: userIds.slice(i, i + MAX_TARGET_KEYS) });
  }
  return targets;
}
