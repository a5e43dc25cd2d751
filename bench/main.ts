/** `npm run bench -- <name>` runs one benchmark; without a name, all of them, and writes `bench/RESULTS.md`. */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { appendBenchmark } from './append.ts';
import { evalBenchmark } from './eval.ts';
import { flagChangeBenchmark } from './flag-change.ts';
import { flagLoadBenchmark } from './flag-load.ts';
import { type Benchmark, type Result, runBenchmark } from './harness.ts';
import { kafkaProjectBenchmark } from './kafka-project.ts';
import { ofrepBenchmark, ofrepBulkBenchmark } from './ofrep.ts';
import { projectBenchmark } from './project.ts';
import { relayBenchmark } from './relay.ts';
import { verifyBenchmark } from './verify.ts';
import { verifyRedisBenchmark } from './verify-redis.ts';
import { visibleBenchmark } from './visible.ts';
import { visibleClusterBenchmark } from './visible-cluster.ts';

const benchmarks: readonly Benchmark[] = [
  verifyBenchmark,
  appendBenchmark,
  projectBenchmark,
  visibleBenchmark,
  relayBenchmark,
  kafkaProjectBenchmark,
  visibleClusterBenchmark,
  verifyRedisBenchmark,
  evalBenchmark,
  flagLoadBenchmark,
  ofrepBenchmark,
  ofrepBulkBenchmark,
  flagChangeBenchmark,
];
const name = process.argv[2];
const chosen = name === undefined ? benchmarks : benchmarks.filter((b) => b.name === name);
if (chosen.length === 0) {
  console.error(`There is no benchmark "${name}". There are: ${benchmarks.map((b) => b.name).join(', ')}.`);
  process.exit(1);
}

const results: Result[] = [];
for (const benchmark of chosen) {
  const result = await runBenchmark(benchmark);
  results.push(result);
  console.log(JSON.stringify(result));
}
if (name === undefined) {
  const rows = results.map((r, i) => {
    const { passes, says } = chosen[i]!;
    return `| ${r.bench} | ${r.value} ${r.unit} | ${r.yardstick} | ${r.ratio} | ${passes} ${r.bar} | ${r.pass ? 'yes' : '**no**'} | ${says} |`;
  });
  const table = [
    '# Benchmarks',
    '',
    `Printed by \`npm run bench\` on ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, Node ${process.versions.node}. Trust the ratios, not the values.`,
    '',
    '| benchmark | value | yardstick | ratio | bar | met | what |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
  writeFileSync(new URL('RESULTS.md', import.meta.url), table);
}
process.exit(0);
