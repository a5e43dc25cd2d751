/** Which variants the settings of a flag serve. */
import type { Fallthrough, FlagSettings, Serve } from './flag-values.ts';

/** Every variant that a flag's settings name, with the path to where. What imported logic names nobody knows before. */
export function servedBy(settings: FlagSettings): readonly (readonly [readonly PropertyKey[], string])[] {
  const { offVariant, targets, rules, fallthrough } = settings;
  return [
    [['offVariant'], offVariant],
    ...targets.map(({ variant }, i) => [['targets', i, 'variant'], variant] as const),
    ...rules.flatMap(({ serve }, i) => ofServe(serve, ['rules', i, 'serve'])),
    ...ofFallthrough(fallthrough),
  ];
}

type Served = readonly [readonly PropertyKey[], string];

function ofServe(serve: Serve, at: readonly PropertyKey[]): readonly Served[] {
  if ('variant' in serve) return [[[...at, 'variant'], serve.variant]];
  return serve.rollout.weights.map(({ variant }, i) => [[...at, 'rollout', 'weights', i], variant]);
}

function ofFallthrough(fallthrough: Fallthrough): readonly Served[] {
  const at = ['fallthrough'];
  if ('codeDefault' in fallthrough) return [];
  if ('logic' in fallthrough) {
    return fallthrough.otherwise === null ? [] : [[[...at, 'otherwise'], fallthrough.otherwise]];
  }
  return ofServe(fallthrough, at);
}
