/** Prints what failed and what was skipped by name, coverage by room, and last `N passed, N failed`. */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

interface Leaf {
  readonly name: string;
  readonly file: string;
  /** Why, and what would let it run. */
  readonly why: string;
}

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0;
  let failed = 0;
  const skips: Leaf[] = [];
  const slow: { name: string; ms: number }[] = [];
  let coverage = '';

  for await (const event of source) {
    if (event.type === 'test:pass' || event.type === 'test:fail') {
      const { data } = event;
      const isSuite = data.details.type === 'suite';
      const file = data.file ? relative(process.cwd(), data.file) : '';
      if (event.type === 'test:fail') {
        // A suite fails because a test in it did; that one has been told.
        const error = 'error' in data.details ? data.details.error : undefined;
        const cause = error?.cause ?? error;
        const fromChild =
          isSuite || (error as { failureType?: string } | undefined)?.failureType === 'subtestsFailed';
        if (fromChild) continue;
        failed += 1;
        yield `\nFAILED ${file} › ${data.name}\n${stack(cause)}\n`;
      } else if (!isSuite) {
        if (data.skip !== undefined)
          skips.push({ name: data.name, file, why: typeof data.skip === 'string' ? `: ${data.skip}` : '' });
        else {
          passed += 1;
          if (data.details.duration_ms > 5_000)
            slow.push({ name: `${file} › ${data.name}`, ms: data.details.duration_ms });
        }
      }
    } else if (event.type === 'test:stdout' || event.type === 'test:stderr') {
      yield event.data.message;
    } else if (event.type === 'test:coverage') {
      coverage = coverageByRoom(event.data.summary);
    }
  }

  if (slow.length > 0) {
    yield '\nTook longer than 5 s:\n';
    for (const { name, ms } of slow) yield `  ${(ms / 1000).toFixed(1).padStart(6)} s  ${name}\n`;
  }
  yield coverage;
  for (const { file, name, why } of skips) yield `SKIPPED ${file} › ${name}${why}\n`;
  // With CI=true a skip is a failure: nothing may pass by not running.
  if (process.env.CI === 'true' && skips.length > 0) {
    failed += skips.length;
    process.exitCode = 1;
  }
  yield `${passed} passed, ${failed} failed\n`;
}

function stack(cause: unknown): string {
  if (cause instanceof Error)
    return `  ${(cause.stack ?? cause.message).split('\n').slice(0, 30).join('\n  ')}`;
  return `  ${String(cause)}`;
}

type Summary = Extract<TestEvent, { type: 'test:coverage' }>['data']['summary'];

function coverageByRoom(summary: Summary): string {
  const rooms = new Map<string, { lines: number; covered: number }>();
  for (const file of summary.files) {
    const room = relative(summary.workingDirectory, file.path).split('/')[0]!;
    const sum = rooms.get(room) ?? { lines: 0, covered: 0 };
    rooms.set(room, { lines: sum.lines + file.totalLineCount, covered: sum.covered + file.coveredLineCount });
  }
  const rows = [...rooms]
    .sort()
    .map(
      ([room, { lines, covered }]) =>
        `  ${room.padEnd(12)} ${((100 * covered) / lines).toFixed(1)} % of ${lines} lines`,
    );
  return `\nLine coverage ${summary.totals.coveredLinePercent.toFixed(1)} %\n${rows.join('\n')}\n\n`;
}
