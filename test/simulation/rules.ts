/** Every rule of the kernel that the simulation plays. */
import type { AnyRule } from './rule.ts';
import { creditsRule } from './rules/credits.ts';
import { epochsRule } from './rules/epochs.ts';
import { erasureRule } from './rules/erasure.ts';
import { executeRule } from './rules/execute.ts';
import { feedRule } from './rules/feed.ts';
import { freshnessRule } from './rules/freshness.ts';
import { parkingRule } from './rules/parking.ts';
import { projectionRule } from './rules/projection.ts';
import { relayRule } from './rules/relay.ts';

export const rules: readonly AnyRule[] = [
  executeRule,
  projectionRule,
  parkingRule,
  freshnessRule,
  epochsRule,
  erasureRule,
  creditsRule,
  relayRule,
  feedRule,
];
