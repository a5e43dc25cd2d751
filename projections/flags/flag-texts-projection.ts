/**
 * What people call projects, environments and flags, apart from what decides answers: it opens what they
 * wrote, and nothing that is served waits for it.
 */

import type { StreamId } from '../../schemas/envelope.ts';
import type { DecodedProjectEvent, projectEvents } from '../../schemas/events/flags.ts';
import type { Projection, Tables, Tx } from '../projection.ts';
import { upsertRows } from '../upsert-rows.ts';

const columns = { stream: 'text', thing: 'text', texts: 'text' };

export interface Texts {
  readonly name: string | null;
  readonly description: string | null;
}

type Texted = Extract<
  DecodedProjectEvent,
  {
    type:
      | 'project.created'
      | 'project.renamed'
      | 'project.environment-added'
      | `project.flag-${'created' | 'described'}`;
  }
>;

const texted: readonly Texted['type'][] = [
  'project.created',
  'project.renamed',
  'project.environment-added',
  'project.flag-created',
  'project.flag-described',
] satisfies readonly (keyof typeof projectEvents)[];

export const flagTextsProjection: Projection = {
  name: 'flag_texts',
  revision: 1,
  // From Kafka it would have twelve places to move for every step of the relay, and seldom an event.
  order: 'log',
  types: new Set(texted),
  tables: [{ name: 'texts', key: ['stream', 'thing'] }],
  reads: 'personal',
  publishesChanges: false,
  async create(tx, tables) {
    // `texts`: JSON, for a text column would refuse U+0000 in a name.
    await tx.query(`CREATE TABLE ${tables('texts')} (
      stream text COLLATE "C" NOT NULL,
      thing text COLLATE "C" NOT NULL,
      texts text NOT NULL,
      PRIMARY KEY (stream, thing)
    )`);
  },
  async apply(tx, tables, events) {
    const rows = new Map<string, { stream: StreamId; thing: string; texts: string }>();
    for (const event of events as Texted[]) {
      const thing = thingOf(event);
      const { name, description = null } = event.data as Partial<Texts> & { name: string | null };
      const texts = JSON.stringify({ name, description });
      rows.set(`${event.stream} ${thing}`, { stream: event.stream, thing, texts });
    }
    await upsertRows(tx, { table: tables('texts'), columns, key: ['stream', 'thing'] }, [...rows.values()]);
  },
};

function thingOf(event: Texted): string {
  if ('flag' in event.data) return flagThing(event.data.flag);
  return 'environment' in event.data ? environmentThing(event.data.environment) : PROJECT_THING;
}

export const PROJECT_THING = 'project';
export const flagThing = (flag: string): string => `flag ${flag}`;
export const environmentThing = (environment: string): string => `environment ${environment}`;

/** By thing; what was never seen has none. */
export async function textsOf(
  tx: Tx,
  tables: Tables,
  stream: StreamId,
  things: readonly string[],
): Promise<(thing: string) => Texts> {
  const rows = await tx.query<{ thing: string; texts: string }>(
    `SELECT thing, texts FROM ${tables('texts')} WHERE stream = $1 AND thing = ANY($2::text[])`,
    [stream, things],
  );
  const found = new Map(rows.map(({ thing, texts }) => [thing, JSON.parse(texts) as Texts]));
  return (thing) => found.get(thing) ?? { name: null, description: null };
}
