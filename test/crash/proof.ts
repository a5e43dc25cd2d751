/** Holds the log against the ledger, and the read models against the log. */
import { openEngines } from '../../infra/platform/engines.ts';
import { createLog } from '../../infra/telemetry/log.ts';
import { projectionCatalogue } from '../../projections/catalogue.ts';
import { verifyProjection } from '../../projections/verify-projection.ts';
import { type Position, type Recorded, START } from '../../schemas/envelope.ts';
import { checkLedger, type Entry, type Fault, type Logged } from './ledger.ts';
import { crashSettings } from './settings.ts';

const PAGE_EVENTS = 1_000;
const CAUGHT_UP_WITHIN_MS = 30_000;

export interface Proof {
  readonly faults: readonly Fault[];
  readonly events: number;
  /** Rows that differ from those of a rebuild, over all projections. */
  readonly differences: number;
  readonly first: readonly string[];
  /** Ids of the log's events, in order. */
  readonly ids: readonly string[];
}

/** `seen`: what an earlier proof found in the log; it must still be there. */
export async function prove(
  dataDir: string,
  url: string,
  entries: readonly Entry[],
  seen: readonly string[],
): Promise<Proof> {
  const log = createLog({ level: 'warn', write: () => undefined });
  const engines = await openEngines({
    settings: crashSettings(dataDir, url),
    log,
    applicationName: 'plinth crash proof',
  });
  const { clock, store, codec } = engines;
  try {
    const head = await engines.log.head();
    const events = await readLog((after) => engines.log.readAll(after, PAGE_EVENTS));
    const ids = events.map((event) => event.id);
    const gone = seen.filter((id, index) => ids[index] !== id).map((id) => lost(id));
    const faults = [...gone, ...checkLedger(entries, events)];

    let differences = 0;
    const first: string[] = [];
    for (const projection of projectionCatalogue) {
      const startedMs = clock.now();
      for (;;) {
        const all = await store.revisions(projection.name);
        const current = all.find((revision) => revision.state === 'current');
        if (current && current.bookmark.position >= head.position) break;
        if (clock.now() - startedMs > CAUGHT_UP_WITHIN_MS) {
          throw new Error(
            `${projection.name} stands at ${current?.bookmark.position}, not at ${head.position}: ${JSON.stringify(current)}`,
          );
        }
        await clock.sleep(20);
      }
      const verified = await verifyProjection(
        { projection, store, log: engines.log, decoder: codec, clock },
        { holder: `proof-${engines.writer}`, signal: new AbortController().signal },
      );
      if (!verified) throw new Error(`${projection.name} has no tables`);
      if (verified.position < head.position) throw new Error(`${projection.name} was compared too early`);
      differences += verified.differences;
      first.push(...verified.first.map((one) => `${projection.name}: ${JSON.stringify(one)}`));
    }
    return { faults, events: events.length, differences, first, ids };
  } finally {
    await engines.close();
  }
}

function lost(id: string): Fault {
  return { kind: 'lost', what: `event ${id} was in the log, and is not where it was` };
}

async function readLog(
  page: (after: Position) => Promise<{ events: readonly Recorded[] }>,
): Promise<Logged[]> {
  const all: Logged[] = [];
  let after: Position = START;
  for (;;) {
    const { events } = await page(after);
    if (events.length === 0) return all;
    for (const event of events) all.push(loggedOf(event));
    after = events.at(-1)!.position;
  }
}

function loggedOf({ id, stream, version, position, data, metadata }: Recorded): Logged {
  const { commandId, actor } = JSON.parse(Buffer.from(metadata).toString()) as {
    commandId: string;
    actor: string;
  };
  const { secret } = JSON.parse(Buffer.from(data).toString()) as { secret?: { digest?: string } };
  return { id, stream, version, position, commandId, actor, secretDigest: secret?.digest ?? null };
}
