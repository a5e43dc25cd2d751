/** What a person is told when something does not work: one sentence that says what to do. */
import { PlinthError } from '../schemas/errors.ts';
import { type EngineNames, unreachable } from './unreachable.ts';

/** A failure whose message is meant for the person at the terminal. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: number;
  constructor(message: string, exitCode = 1, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** Turns what the machine said into what a person can act on; undefined: this is a defect, show it whole. */
export function sentenceFor(
  error: unknown,
  context: {
    readonly port?: number;
    /** The setting that chooses that port. */
    readonly portSetting?: string;
    readonly host?: string;
    readonly dataDir?: string;
  } & EngineNames = {},
): string | undefined {
  if (error instanceof Failure) return error.message;
  if (error instanceof PlinthError) return `${error.rejection.detail} (${error.rejection.code})`;
  if (!(error instanceof Error)) return undefined;
  const code = (error as { code?: unknown }).code;
  const { syscall, path, hostname } = error as { syscall?: string; path?: string; hostname?: string };
  const portSetting = context.portSetting ?? 'PLINTH_PORT';
  if (code === 'EADDRINUSE') {
    return `Port ${context.port} on ${context.host} is taken: stop what listens there, or choose another with ${portSetting}.`;
  }
  if (code === 'EACCES' && syscall === 'listen') {
    return `Port ${context.port} may not be opened by this user: choose one above 1024 with ${portSetting}.`;
  }
  const noAddress = code === 'ENOTFOUND' || code === 'EAI_AGAIN';
  if (code === 'EADDRNOTAVAIL' || (noAddress && hostname !== undefined && hostname === context.host))
    return `${context.host} is no address of this machine: correct PLINTH_HOST.`;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return `${path ?? context.dataDir} cannot be written: give this user the folder, or choose another with PLINTH_DATA_DIR.`;
  }
  if (code === 'ENOTDIR' || code === 'EEXIST') {
    return `${path ?? context.dataDir} is no folder: choose another with PLINTH_DATA_DIR.`;
  }
  if (code === 'ENOENT' && path !== undefined) return `${path} does not exist.`;
  if (code === 'ENOSPC') return 'The disk is full: make room and start again.';
  const away = unreachable(error, context);
  if (away !== undefined) return away;
  if (MEANT_FOR_PEOPLE.has(error.name) || /\.$/.test(error.message)) return error.message;
  return undefined;
}

/** Errors of ours whose message is one sentence with the fix. */
const MEANT_FOR_PEOPLE = new Set([
  'KeyringFault',
  'ApiServedElsewhere',
  'WrongKeyring',
  'DamagedBackup',
  'RebuildRunning',
  'PlinthClientError',
]);
