/** Verbs that work on the database itself: beside a running platform, or without one. */
import { followErasures } from '../infra/platform/background.ts';
import { type Engines, openEngines } from '../infra/platform/engines.ts';
import { createLog } from '../infra/telemetry/log.ts';
import { Failure, sentenceFor } from './failure.ts';
import { settingsOf } from './settings.ts';

export interface LocalOptions {
  /**
   * Reads or writes personal fields: like every process that does, it first carries out all erasures that
   * the log holds, and follows those that come.
   */
  readonly personal?: boolean;
}

/** Opens the engines for the time of `work`. An embedded server that runs is used, else started and stopped. */
export async function withEngines<R>(
  work: (engines: Engines, signal: AbortSignal) => Promise<R>,
  { personal = false }: LocalOptions = {},
): Promise<R> {
  const settings = settingsOf(process.env);
  const log = createLog({ level: 'error', write: (line) => void process.stderr.write(line) });
  const stop = new AbortController();
  const interrupted = () => stop.abort();
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  let engines: Engines;
  try {
    engines = await openEngines({
      settings,
      log,
      applicationName: 'plinth command line',
      signal: stop.signal,
    });
  } catch (error) {
    if (stop.signal.aborted) throw new Failure('Stopped.', 130);
    const sentence = sentenceFor(error, { dataDir: settings.dataDir });
    throw sentence === undefined ? error : new Failure(sentence, 1, { cause: error });
  }
  try {
    const erasures = personal ? await followErasures(engines, log) : null;
    try {
      return await work(engines, stop.signal);
    } finally {
      await erasures?.stop();
    }
  } finally {
    await engines.close();
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
  }
}
