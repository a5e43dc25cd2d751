/**
 * Issue-key commands through `execute`, as the API runs them: tenant and owner folded, the secret minted,
 * name and metadata encrypted, one append each. Against what a table alone would cost: one INSERT and
 * commit for each event, of the same bytes, without anything decided, encrypted or read.
 */
import pg from 'pg';
import { issueKey } from '../commands/keys/issue-key.ts';
import type { Recorded } from '../schemas/envelope.ts';
import { type Benchmark, interleave } from './harness.ts';
import { commandOf, GRANTOR, issueKeys, ordinaryKey, scratchHouse } from './scratch-house.ts';

const IN_FLIGHT = 64;
const ROUNDS = 6;
const ROUND_MS = 2_000;
/** Of a round. */
const MAX_COMMANDS = 80_000;
const SAMPLE_EVENTS = 1_000;

export const appendBenchmark: Benchmark = {
  name: 'append',
  unit: 'commands/s',
  bar: 1.5,
  passes: 'at least',
  says: `issue-key commands through execute against single-row INSERT commits of the same bytes, ${IN_FLIGHT} in flight each`,
  async measure() {
    const house = await scratchHouse();
    const { engines, environment } = house;
    try {
      await issueKeys(engines, SAMPLE_EVENTS);
      const sample = (await engines.log.readAll('' as never, SAMPLE_EVENTS + 1)).events.filter(
        (event) => event.type === 'key.issued',
      );
      const inserts = await singleInserts(environment.DATABASE_URL!, sample);
      let made = SAMPLE_EVENTS;
      const measured = await interleave({
        rounds: ROUNDS,
        subject: () => {
          // What the API makes of a request is not what is measured.
          const commands = Array.from({ length: MAX_COMMANDS }, () => commandOf('issue', String(made++)));
          const keys = Array.from({ length: 1_000 }, (_, i) => ordinaryKey(made + i));
          return closedLoop(async () => {
            const context = commands.pop();
            if (!context) throw new Error(`more than ${MAX_COMMANDS} commands in a round`);
            const key = keys[commands.length % keys.length]!;
            const outcome = await issueKey(engines.keyDeps, context, GRANTOR, key);
            if (outcome.kind === 'rejected') throw new Error(outcome.rejection.detail);
          });
        },
        yardstick: () => closedLoop(inserts.insert),
      });
      await inserts.close();
      const bytes = sample.reduce((sum, event) => sum + event.data.length + event.metadata.length, 0);
      return {
        ...measured,
        notes: [`${Math.round(bytes / sample.length)} bytes of data and metadata an event`],
      };
    } finally {
      await house.close();
    }
  },
};

/** Calls a second with `IN_FLIGHT` under way at all times. */
async function closedLoop(call: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  const untilMs = startedMs + ROUND_MS;
  let done = 0;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (performance.now() < untilMs) {
        await call();
        done += 1;
      }
    }),
  );
  return (done * 1_000) / (performance.now() - startedMs);
}

/** One connection for each in flight, a prepared statement, and no index but the primary key's. */
async function singleInserts(connectionString: string, sample: readonly Recorded[]) {
  const pool = new pg.Pool({ connectionString, max: IN_FLIGHT });
  await pool.query(`CREATE TABLE bare_events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL, stream text NOT NULL, version integer NOT NULL, type text NOT NULL,
    schema_version integer NOT NULL, time_ms bigint NOT NULL,
    nonce bytea NOT NULL, data bytea NOT NULL, metadata bytea NOT NULL)`);
  let next = 0;
  return {
    async insert(): Promise<void> {
      const { id, stream, version, type, schemaVersion, timeMs, nonce, data, metadata } =
        sample[next++ % sample.length]!;
      await pool.query({
        name: 'bare-insert',
        text: `INSERT INTO bare_events (id, stream, version, type, schema_version, time_ms, nonce, data, metadata)
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
        values: [id, stream, version, type, schemaVersion, timeMs, nonce, data, metadata],
      });
    },
    close: () => pool.end(),
  };
}
