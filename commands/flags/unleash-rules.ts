/**
 * Strategies of Unleash, of which any turns a flag on, as rules, of which the first that holds decides. That is
 * the same where one that lets everybody in comes before one that lets in a share, and a larger share before a
 * smaller one: they deal out alike, so who is not in the larger is not in the smaller.
 */
import {
  type Fallthrough,
  type FlagRule,
  type Serve,
  type Target,
  WHOLE,
} from '../../schemas/flag-values.ts';
import { isJsonObject, type JsonObject } from '../../schemas/json.ts';
import {
  allOf,
  attributeOf,
  type Holds,
  NotCarried,
  oneOf,
  texts,
  withinBounds,
} from './unleash-constraints.ts';
import { objects, type UnleashInEnvironment } from './unleash-export.ts';
import {
  type Audience,
  audienceOf,
  type SegmentHolds,
  stickinessOf,
  targetsFor,
} from './unleash-strategies.ts';
import type { FlagVariants } from './unleash-variants.ts';

export interface UnleashRules {
  readonly targets: readonly Target[];
  readonly rules: readonly FlagRule[];
  readonly fallthrough: Fallthrough;
}

interface Strategy extends Audience {
  readonly id: string;
  /** Of its own, which count more than the flag's. */
  readonly variants: readonly JsonObject[];
}

export function rulesOf(
  feature: string,
  { strategies, variants }: UnleashInEnvironment,
  values: FlagVariants,
  segment: SegmentHolds,
  note: (message: string) => void,
): UnleashRules {
  const deals = (strategy: Pick<Strategy, 'exposure' | 'by' | 'variants'>) =>
    serving(strategy, strategy.variants.length > 0 ? strategy.variants : variants, values, note);
  if (strategies.length === 0) {
    return rulesInOrder(
      [{ id: 'all', ...EVERYBODY, group: feature, variants: [] }],
      deals,
      variants,
      values.off,
      note,
    );
  }
  const read: Strategy[] = [];
  for (const [i, strategy] of strategies.entries()) {
    if (strategy.disabled === true) continue;
    const id = `strategy-${i + 1}`;
    const said = (message: string) => note(`${id}: ${message}`);
    try {
      read.push({
        id,
        variants: objects(strategy.variants),
        ...audienceOf(strategy, feature, segment, said),
      });
    } catch (error) {
      if (!(error instanceof NotCarried)) throw error;
      said(`left out: ${error.message}`);
    }
  }
  const isSwitch = values.type === 'boolean';
  const targets = isSwitch ? read.flatMap(({ userIds }) => (userIds ? targetsFor(userIds, 'on') : [])) : [];
  const rest = isSwitch ? read.filter(({ userIds }) => userIds === null) : read;
  const ownVariants = rest.some((strategy) => strategy.variants.length > 0);
  const ordered = ownVariants ? rest : rest.toSorted((a, b) => b.exposure - a.exposure);
  tellOfShares(ordered, ownVariants, note);
  return { ...rulesInOrder(ordered, deals, variants, values.off, note), targets };
}

const EVERYBODY = { holds: true, exposure: WHOLE, by: 'targetingKey', userIds: null } as const;

/** Where the first that holds is not any that holds. */
function tellOfShares(
  ordered: readonly Strategy[],
  inTheirOrder: boolean,
  note: (message: string) => void,
): void {
  const shares = ordered.filter(({ exposure }) => exposure > 0 && exposure < WHOLE);
  const [first] = shares;
  const alike = shares.every(({ group, by }) => group === first!.group && by === first!.by);
  const larger =
    inTheirOrder &&
    ordered.some(({ exposure }, i) => ordered.slice(0, i).some((one) => one.exposure < exposure));
  if (!alike || larger) {
    note('who is not in the share of the first strategy that applies is not tried with the next ones');
  }
}

function rulesInOrder(
  strategies: readonly Strategy[],
  deals: (strategy: Strategy) => Serve,
  variants: readonly JsonObject[],
  off: string,
  note: (message: string) => void,
): UnleashRules {
  const rules: FlagRule[] = [];
  const put = (id: string, when: Holds, serve: Serve): boolean => {
    if (typeof when !== 'boolean') rules.push({ id, when, serve } as FlagRule);
    return when === true;
  };
  for (const strategy of strategies) {
    const { id, holds, exposure } = strategy;
    // What a variant of the flag is given to some by name comes before it is dealt out.
    const named = strategy.variants.length > 0 ? strategy.variants : variants;
    for (const [n, { when, variant }] of overridesOf(named, note).entries()) {
      const serve = exposure === 0 ? { variant: off } : deals({ ...strategy, variants: [variant] });
      if (put(`${id}-override-${n + 1}`, withinBounds(allOf([holds, when])), serve)) {
        return { targets: [], rules, fallthrough: serve };
      }
    }
    const serve = deals(strategy);
    if (put(id, holds, serve)) return { targets: [], rules, fallthrough: serve };
  }
  return { targets: [], rules, fallthrough: { variant: off } };
}

function overridesOf(
  variants: readonly JsonObject[],
  note: (message: string) => void,
): { when: Holds; variant: JsonObject }[] {
  return variants.flatMap((variant) =>
    objects(variant.overrides).flatMap(({ contextName, values }) => {
      try {
        return [{ when: oneOf(attributeOf(contextName), texts(values)), variant: { ...variant, weight: 1 } }];
      } catch (error) {
        if (!(error instanceof NotCarried)) throw error;
        note(`an override is left out: ${error.message}`);
        return [];
      }
    }),
  );
}

function serving(
  { exposure, by }: Pick<Strategy, 'exposure' | 'by'>,
  variants: readonly JsonObject[],
  values: FlagVariants,
  note: (message: string) => void,
): Serve {
  const weights = weightsOf(variants, values);
  if (values.type !== 'boolean' && weights.length === 0) {
    note(`a strategy has no variants, or none with a weight: for whom it holds ${values.off} is served`);
    return { variant: values.off };
  }
  const split = weights.length > 0 ? weights : [{ variant: 'on', weight: 1 }];
  if (exposure === WHOLE && split.length === 1) return { variant: split[0]!.variant };
  const stickiness = split.length > 1 ? variantsBy(variants, by, note) : by;
  if (stickiness !== by && exposure < WHOLE) {
    note(`its variants were dealt out by ${stickiness}; as its share, they are dealt out by ${by}`);
  }
  return { rollout: { by: exposure < WHOLE ? by : stickiness, exposure, weights: [...split] } };
}

function variantsBy(variants: readonly JsonObject[], by: string, note: (message: string) => void): string {
  const [first] = variants;
  if (!first || first.stickiness === undefined || first.stickiness === 'default') return by;
  try {
    return stickinessOf(first.stickiness, note);
  } catch (error) {
    if (!(error instanceof NotCarried)) throw error;
    note(`its variants are dealt out by ${by}: ${error.message}`);
    return by;
  }
}

function weightsOf(
  variants: readonly JsonObject[],
  values: FlagVariants,
): { variant: string; weight: number }[] {
  const weights = new Map<string, number>();
  for (const variant of variants) {
    const weight = typeof variant.weight === 'number' ? Math.round(variant.weight) : 0;
    if (weight > 0 && values.type !== 'boolean') {
      const name = values.nameOf(variant);
      weights.set(name, Math.min((weights.get(name) ?? 0) + weight, WHOLE));
    }
  }
  return [...weights].map(([variant, weight]) => ({ variant, weight }));
}

export function variantsIn({ strategies, variants }: UnleashInEnvironment): readonly JsonObject[] {
  const named = [...variants, ...strategies.flatMap((strategy) => objects(strategy.variants))];
  return named.filter((variant) => isJsonObject(variant) && typeof variant.name === 'string');
}
