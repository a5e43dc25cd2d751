/** `sem_ver`: [version, operator, version]. Null where one of them is none. */
import { type Evaluate, type Operator, operands, testedOrNull } from '../expression.ts';
import { parseVersion, versionTests } from '../sem-ver.ts';

export const semVer: Operator = (args, compile) => {
  if (args.length !== 3) return testedOrNull(() => null);
  const [x, operator, y] = operands(args, compile) as [Evaluate, Evaluate, Evaluate];
  const [saysOperator, saysVersion] = [
    compile.expression(args[1]!).literal,
    compile.expression(args[2]!).literal,
  ];
  if (saysOperator && saysVersion) {
    const holds = testOf(saysOperator.value);
    const than = parseVersion(saysVersion.value);
    if (!holds || !than) return testedOrNull(() => null);
    return testedOrNull((data, run) => {
      const version = parseVersion(x(data, run));
      return version && holds(version, than);
    });
  }
  return testedOrNull((data, run) => {
    const [version, than] = [parseVersion(x(data, run)), parseVersion(y(data, run))];
    return (version && than && testOf(operator(data, run))?.(version, than)) ?? null;
  });
};

function testOf(operator: unknown) {
  const name = String(operator);
  return Object.hasOwn(versionTests, name) ? versionTests[name] : undefined;
}
