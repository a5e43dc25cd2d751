/**
 * The form of every benchmark: rounds of the subject interleaved with rounds of a yardstick, so that a
 * slow minute of the machine slows both, and the median of the ratios as the figure.
 */
export interface Benchmark {
  readonly name: string;
  readonly unit: string;
  readonly bar: number;
  /** Which side of the bar passes. */
  readonly passes: 'at least' | 'at most';
  /** What is held against the bar: the ratio, unless it says otherwise. */
  readonly held?: 'ratio' | 'value';
  /** One line: what is measured against what. */
  readonly says: string;
  measure(): Promise<Measured>;
}

export interface Measured {
  readonly value: number;
  readonly yardstick: number;
  readonly ratio: number;
  /** Further conditions, each of which must hold, and figures worth knowing. */
  readonly conditions?: readonly { readonly what: string; readonly holds: boolean }[];
  readonly notes?: readonly string[];
}

export interface Result {
  readonly bench: string;
  readonly unit: string;
  readonly value: number;
  readonly yardstick: number;
  readonly ratio: number;
  readonly bar: number;
  readonly pass: boolean;
}

export interface Round {
  readonly value: number;
  readonly yardstick: number;
}

/** Runs `rounds` pairs after one pair of warm-up; every second pair starts with the yardstick. */
export async function interleave(options: {
  readonly rounds: number;
  readonly subject: () => Promise<number>;
  readonly yardstick: () => Promise<number>;
}): Promise<{
  readonly value: number;
  readonly yardstick: number;
  readonly ratio: number;
  readonly rounds: readonly Round[];
}> {
  await options.yardstick();
  await options.subject();
  const rounds: Round[] = [];
  for (let i = 0; i < options.rounds; i++) {
    if (i % 2 === 0) {
      const value = await options.subject();
      rounds.push({ value, yardstick: await options.yardstick() });
    } else {
      const yardstick = await options.yardstick();
      rounds.push({ value: await options.subject(), yardstick });
    }
  }
  return {
    value: median(rounds.map((r) => r.value)),
    yardstick: median(rounds.map((r) => r.yardstick)),
    ratio: median(rounds.map((r) => r.value / r.yardstick)),
    rounds,
  };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Nearest rank above the middle, mean of the two middle ones for an even count at the median. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  if (q === 0.5 && sorted.length % 2 === 0)
    return (sorted[sorted.length / 2 - 1]! + sorted[sorted.length / 2]!) / 2;
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)]!;
}

export async function runBenchmark(benchmark: Benchmark): Promise<Result> {
  console.log(`${benchmark.name}: ${benchmark.says}`);
  const measured = await benchmark.measure();
  for (const note of measured.notes ?? []) console.log(`  ${note}`);
  for (const { what, holds } of measured.conditions ?? [])
    console.log(`  ${holds ? 'holds' : 'BROKEN'}: ${what}`);
  const held = measured[benchmark.held ?? 'ratio'];
  const onTheRightSide = benchmark.passes === 'at least' ? held >= benchmark.bar : held <= benchmark.bar;
  return {
    bench: benchmark.name,
    unit: benchmark.unit,
    value: round(measured.value),
    yardstick: round(measured.yardstick),
    ratio: round(measured.ratio),
    bar: benchmark.bar,
    pass: onTheRightSide && (measured.conditions ?? []).every((c) => c.holds),
  };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
