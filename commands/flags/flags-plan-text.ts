/** A plan as somebody reads it before it is carried out: `+` is made, `~` changed, `-` taken away. */
import type { Json } from '../../schemas/json.ts';
import { type FlagsPlan, isEmptyPlan, type PlanStep } from './plan-flags.ts';

const MAX_VALUE_CHARACTERS = 200;

export function flagsPlanText(plan: FlagsPlan): string {
  const { project, creations, details, environments, left } = plan;
  const lines = [
    `project ${project}${isEmptyPlan(plan) ? ': nothing to do' : ''}`,
    ...creations.map(({ flag, type, kind }) => `  + flag ${flag} (${type}, ${kind})`),
    ...details.flatMap(({ flag, changes }) => [
      `  ~ flag ${flag}`,
      ...Object.entries(changes).map(([name, value]) => `      ${name}: ${short(value as Json)}`),
    ]),
    ...environments.flatMap(({ environment, steps }) =>
      steps.length === 0 ? [] : [`environment ${environment}`, ...steps.flatMap(stepLines)],
    ),
    ...(left.length > 0 ? ['left as it is', ...left.map(({ what, why }) => `  ${what}: ${why}`)] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function stepLines(step: PlanStep): readonly string[] {
  switch (step.step) {
    case 'put-segment':
      return step.before === null
        ? [`  + segment ${step.segment}: ${short(step.when as Json)}`]
        : [
            `  ~ segment ${step.segment}`,
            `      ${short(step.before as Json)} → ${short(step.when as Json)}`,
          ];
    case 'edit-flag':
      if (step.changes.length === 0)
        return [`  ~ flag ${step.flag}: variants that are no longer required go`];
      return [
        `  ~ flag ${step.flag}`,
        ...step.changes.map(({ part, before, after }) => `      ${part}: ${short(before)} → ${short(after)}`),
      ];
    case 'archive-flag':
      return [`  - flag ${step.flag} (archived)`];
    case 'remove-segment':
      return [`  - segment ${step.segment}`];
  }
}

function short(value: Json): string {
  if (value === null) return 'none';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > MAX_VALUE_CHARACTERS ? `${text.slice(0, MAX_VALUE_CHARACTERS)}…` : text;
}
