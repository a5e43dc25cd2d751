import type { Settings } from '../schemas/config.ts';
import { faultMessage, readSettings } from '../schemas/read-settings.ts';
import { Failure } from './failure.ts';

/** Exit code of a command whose settings are at fault (EX_CONFIG of sysexits). */
const CONFIGURATION_FAULT = 78;

export function settingsOf(env: NodeJS.ProcessEnv): Settings {
  const read = readSettings(env);
  if (!read.ok) throw new Failure(faultMessage(read.faults), CONFIGURATION_FAULT);
  return read.settings;
}
