/** Asks every process of the API for the list of projections, and compares it with what the database says. */
import { projectionCatalogue } from '../../projections/catalogue.ts';
import { parsePositionToken } from '../../schemas/envelope.ts';
import { pause } from '../crash/within.ts';
import type { Cluster, ServedApi, Stand } from './cluster.ts';

const ASK_EVERY_MS = 1_000;
const ANSWER_TIMEOUT_MS = 8_000;

/** A row of `GET /v1/projections`, as far as it is judged. */
export interface Listed {
  readonly name: string;
  readonly state: string;
  /** A token. */
  readonly position: string;
  readonly generation: number | null;
  readonly halted: string | null;
  readonly parkedStreams: number;
}

export interface ProjectionsWatch {
  readonly asked: () => number;
  stop(): Promise<void>;
}

/** `lie`: told of each answer that is not so. */
export function watchProjections(
  { apis, adminKey, stands }: Pick<Cluster, 'apis' | 'adminKey' | 'stands'>,
  lie: (api: ServedApi, what: string) => void,
): ProjectionsWatch {
  const stop = new AbortController();
  let asked = 0;
  const askOnce = async (api: ServedApi): Promise<void> => {
    try {
      const before = await stands();
      const response = await fetch(`${api.slot.url}/v1/projections`, {
        headers: { authorization: `Bearer ${adminKey}` },
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      });
      const body = (await response.json()) as { projections?: Listed[] };
      asked += 1;
      // While something is away it may say that, and nothing else.
      if (response.status === 503) return;
      if (response.status !== 200) return lie(api, `the list of projections: ${response.status}`);
      const untrue = judgeList(body.projections!, before, await stands());
      if (untrue !== null) lie(api, `the list of projections: ${untrue}`);
    } catch {
      // No answer, here or there, and so nothing that could be untrue.
    }
  };
  const watching = apis.map(async (api) => {
    while (!stop.signal.aborted) {
      await askOnce(api);
      await pause(ASK_EVERY_MS);
    }
  });
  return {
    asked: () => asked,
    async stop() {
      stop.abort();
      await Promise.all(watching);
    },
  };
}

/**
 * Answers what is not so, or null. `before` and `after`: what the database said before the question and after
 * the answer; what is in both was so all the while.
 */
export function judgeList(
  listed: readonly Listed[],
  before: readonly Stand[],
  after: readonly Stand[],
): string | null {
  for (const { name } of projectionCatalogue) {
    const current = (one: { readonly state: string }) => one.state === 'current';
    const [told, ...more] = listed.filter((one) => one.name === name && current(one));
    if (!told || more.length > 0) return `${name} is not there once`;
    if (told.halted !== null || told.parkedStreams > 0) return `${name} has met nothing that stops it`;
    const [was, is] = [before, after].map((some) =>
      some.find((one) => one.projection === name && current(one)),
    );
    const { position } = parsePositionToken(told.position)!;
    if (was && position < was.position) return `${name} is past ${position}, at ${was.position}`;
    if (is && position > is.position) return `${name} has not reached ${position}, but ${is.position}`;
    if (was && is && was.generation === is.generation && told.generation !== is.generation) {
      return `${name} is fed by generation ${is.generation}, not ${told.generation}`;
    }
  }
  return null;
}
