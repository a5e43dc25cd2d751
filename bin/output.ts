/** What verbs print: a table or fields for a person, JSON with `--json`. Progress goes to standard error. */

export interface OutputOptions {
  readonly json?: boolean;
}

/** One thing: its fields on lines, names aligned. */
export function printFields(options: OutputOptions, value: object): void {
  if (options.json) {
    printJson(value);
    return;
  }
  const rows = Object.entries(value).filter(
    ([, field]) => field !== null && field !== undefined && !(Array.isArray(field) && field.length === 0),
  );
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, field] of rows) console.log(`${name.padEnd(width)}  ${cell(field)}`);
}

/** Many things: one a line. `columns` picks and names what a person sees; JSON has everything. */
export async function printTable<T extends object>(
  options: OutputOptions,
  items: AsyncIterable<T> | Iterable<T>,
  columns: Readonly<Record<string, (item: T) => unknown>>,
  maxItems = Number.POSITIVE_INFINITY,
): Promise<void> {
  const found: T[] = [];
  for await (const item of items) {
    if (found.length >= maxItems) break;
    found.push(item);
  }
  if (options.json) return printJson(found);
  if (found.length === 0) return console.log('There are none.');
  const names = Object.keys(columns);
  const rows = found.map((item) => names.map((name) => cell(columns[name]!(item))));
  const widths = names.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((text, i) => text.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  console.log(line(names.map((name) => name.toUpperCase())));
  for (const row of rows) console.log(line(row));
}

export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, null, 2));
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (Array.isArray(value)) return value.map(cell).join(', ');
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

export interface ProgressLine {
  update(done: number, total: number | null): void;
  end(): void;
}

const REDRAW_MS = 200;

/** One line that moves on a terminal; elsewhere a line now and then. */
export function progressLine(label: string): ProgressLine {
  const terminal = process.stderr.isTTY === true;
  let drawnMs = 0;
  let last = '';
  const draw = () => {
    process.stderr.write(terminal ? `\r\u001b[K${last}` : `${last}\n`);
    drawnMs = Date.now();
  };
  return {
    update(done, total) {
      const part = total ? ` of ${total} (${Math.min(100, Math.floor((100 * done) / total))} %)` : '';
      last = `${label}: ${done}${part}`;
      if (Date.now() - drawnMs >= (terminal ? REDRAW_MS : REDRAW_MS * 10)) draw();
    },
    end() {
      if (last === '') return;
      draw();
      if (terminal) process.stderr.write('\n');
    },
  };
}
