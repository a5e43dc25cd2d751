/**
 * Flags imported from Unleash answer as Unleash's own clients are to: its specification for them, case by case.
 * Left out is what a finding says of: who is in a share is dealt out anew, and so on.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { compileProgram } from '../../commands/flags/compile-program.ts';
import { flagProgram } from '../../commands/flags/flag-program.ts';
import { importUnleash } from '../../commands/flags/import-unleash.ts';
import { compileSegments } from '../../commands/flags/segments.ts';
import { isJsonObject, type JsonObject } from '../../schemas/json.ts';

interface Case {
  readonly description: string;
  readonly toggleName: string;
  readonly context: JsonObject;
  readonly expectedResult:
    | boolean
    | { name: string; enabled: boolean; payload?: { type: string; value: string } };
}
interface Specification {
  readonly name: string;
  readonly state: JsonObject;
  readonly tests?: readonly Case[];
  readonly variantTests?: readonly Case[];
}

const folder = join(
  dirname(createRequire(import.meta.url).resolve('@unleash/client-specification')),
  'specifications',
);
const specifications = readdirSync(folder)
  .filter((name) => /^\d/.test(name))
  .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Specification)
  .filter(({ state }) => isJsonObject(state) && Array.isArray(state.features));

/** As the parts of an Unleash context are called here. */
function contextOf({ userId, properties, ...others }: JsonObject): Record<string, unknown> {
  const own = isJsonObject(properties) ? properties : {};
  return { ...own, ...others, ...(userId !== undefined && { targetingKey: userId }) };
}

let compared = 0;
let dealtAnew = 0;
for (const { name, state, tests = [], variantTests = [] } of specifications) {
  test(`what is imported of ${name} answers as Unleash does`, () => {
    const { environments, segments, findings } = importUnleash(state);
    const { flags } = environments[0]!;
    const byKey = new Map(flags.map((flag) => [flag.key, { ...flag, seed: '00' }]));
    const around = {
      flag: (key: string) => byKey.get(key),
      segments: compileSegments(new Map(segments.map(({ segment, when }) => [segment, when]))),
    };
    const programs = new Map(
      [...byKey.values()].map((flag) => [
        flag.key,
        compileProgram(flagProgram(flag, around), around.segments.evaluators),
      ]),
    );
    for (const { description, toggleName, context, expectedResult } of [...tests, ...variantTests]) {
      const flag = byKey.get(toggleName);
      const about = findings.filter((finding) => finding.flag === toggleName);
      const wanted = typeof expectedResult === 'boolean' ? expectedResult : expectedResult.enabled;
      if (!flag) {
        // What is not there is off, in Unleash; what was left out says so.
        const isThere = (state.features as readonly JsonObject[]).some((one) => one.name === toggleName);
        assert.ok(!isThere || about.some(({ what }) => what === 'skipped'), description);
        continue;
      }
      // A flag without variants says whether it is on, and no more.
      if (flag.type === 'boolean' && typeof expectedResult !== 'boolean') continue;
      if (
        about.some(({ message }) => /dealt out anew|depends on another|cannot be carried over/.test(message))
      ) {
        dealtAnew += 1;
        continue;
      }
      const at = Date.parse(`${context.currentTime ?? '2026-01-01T00:00:00Z'}`);
      const answer = programs.get(toggleName)!.evaluate(contextOf(context), at);
      const said = `${description}: ${JSON.stringify(flag.settings)} with ${JSON.stringify(context)}`;
      assert.equal(answer.errorCode, undefined, said);
      if (typeof expectedResult === 'boolean' || !wanted) {
        assert.equal(answer.variant !== flag.settings.offVariant, wanted, said);
      } else {
        assert.equal(answer.variant, expectedResult.name, said);
        if (expectedResult.payload) assert.equal(String(answer.value), expectedResult.payload.value, said);
      }
      compared += 1;
    }
  });
}

test('most cases are compared', () => {
  assert.ok(compared >= 200, `${compared} compared, ${dealtAnew} dealt out anew`);
});
