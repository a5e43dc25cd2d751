/** An environment as a flag set for flagd, made once for each version of it that somebody asks for. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { exportFlagd } from '../../commands/flags/export-flagd.ts';
import { InvalidFlag } from '../../commands/flags/invalid-flag.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { ServedEnvironment } from './served-environment.ts';

export interface FlagdFile {
  /** JSON. */
  readonly text: string;
  readonly gzipped: Buffer;
}

const compress = promisify(gzip);
const made = new WeakMap<ServedEnvironment, Promise<FlagdFile>>();

/** Throws `PlinthError` `conflict` for segments that cannot be compiled. */
export function flagdFile(environment: ServedEnvironment): Promise<FlagdFile> {
  let file = made.get(environment);
  if (!file) {
    file = makeFile(environment);
    made.set(environment, file);
  }
  return file;
}

async function makeFile(served: ServedEnvironment): Promise<FlagdFile> {
  const { project, environment, position, contents } = served;
  const flags = new Map([...contents.flags].filter(([, { archived }]) => !archived));
  const metadata = { flagSetId: `${project}/${environment}`, version: position };
  try {
    const { flagSet } = exportFlagd({ flags, segments: new Map(contents.segments), metadata });
    const text = JSON.stringify(flagSet);
    return { text, gzipped: await compress(text) };
  } catch (error) {
    if (!(error instanceof InvalidFlag)) throw error;
    throw new PlinthError('conflict', `The environment cannot be exported: ${error.message}`);
  }
}
