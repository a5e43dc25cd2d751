/** A project with flags in one environment and a key that reads them, made over HTTP as its users make them. */
import { issueKey } from '../commands/keys/issue-key.ts';
import type { FlagEdit } from '../schemas/commands/flags.ts';
import { issueKeySchema } from '../schemas/commands/keys.ts';
import type { Target } from './http-load.ts';
import { commandOf, GRANTOR, type ScratchHouse } from './scratch-house.ts';

const PROJECT = 'shop';
const ENVIRONMENT = 'production';
export const EVALUATE = '/ofrep/v1/evaluate/flags';
const READY_WITHIN_MS = 20_000;
const RETRY_EVERY_MS = 50;

export interface FlagHouse {
  /** Sends what a management key of all permissions may. */
  readonly admin: Readonly<Record<string, string>>;
  /** Sends what a key that reads the flags may. */
  readonly reader: Readonly<Record<string, string>>;
}

export const flagPath = (flag: string) => `/v1/projects/${PROJECT}/environments/${ENVIRONMENT}/flags/${flag}`;

/** @param edits of each flag, by its key; all are visible to the key when this answers */
export async function flagHouse(
  { engines }: ScratchHouse,
  target: Target,
  use: 'flags-server' | 'flags-client',
  edits: Readonly<Record<string, readonly FlagEdit[]>>,
): Promise<FlagHouse> {
  const input = issueKeySchema.parse({ use: 'management', permissions: ['*:*'] });
  const issued = await issueKey(engines.keyDeps, commandOf('flag-admin'), GRANTOR, input);
  if (issued.kind === 'rejected') throw new Error(issued.rejection.detail);
  const admin = { authorization: `Bearer ${issued.secret!.reveal()}` };
  const untilMs = performance.now() + READY_WITHIN_MS;
  // The server makes its projections when it starts; what it has not read of keys and flags, it reads soon.
  const post = async (path: string, headers: Readonly<Record<string, string>>, body: object) => {
    for (;;) {
      const answer = await fetch(`http://${target.host}:${target.port}${path}`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      if (answer.ok) return answer;
      const text = await answer.text();
      const isEarly = answer.status === 401 || answer.status === 503;
      if (!isEarly || performance.now() > untilMs) throw new Error(`${path}: ${answer.status} ${text}`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_EVERY_MS));
    }
  };
  await post('/v1/projects', admin, { project: PROJECT });
  await post(`/v1/projects/${PROJECT}/environments`, admin, { environment: ENVIRONMENT });
  const environment = { project: PROJECT, environment: ENVIRONMENT };
  const key = await post('/v1/keys', admin, { use, environment });
  const { secret } = (await key.json()) as { secret: string };
  const reader = { authorization: `Bearer ${secret}` };
  let position = '';
  for (const [flag, changes] of Object.entries(edits)) {
    await post(`/v1/projects/${PROJECT}/flags`, admin, { flag, clientVisible: true });
    const changed = await post(`${flagPath(flag)}/changes`, admin, { edits: changes });
    position = changed.headers.get('plinth-position')!;
  }
  const all = await post(EVALUATE, { ...reader, 'plinth-position': position }, { context: {} });
  const { flags } = (await all.json()) as { flags: { readonly errorCode?: string }[] };
  const good = flags.filter(({ errorCode }) => errorCode === undefined);
  if (good.length !== Object.keys(edits).length) throw new Error(`${good.length} flags can be evaluated`);
  return { admin, reader };
}
