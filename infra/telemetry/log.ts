/**
 * JSON lines on standard output. What may be logged is an allow-list; behind it stands a scrubber for
 * texts that look like a credential, because an error message may quote what it choked on.
 */
import { type Logger, pino } from 'pino';
import type { Settings } from '../../schemas/config.ts';

export type Log = Logger;

/** Everything else that a line is given is left out, and named, so that it is missed and not leaked. */
const ALLOWED = new Set([
  'actor',
  'address',
  'cause',
  'code',
  'component',
  'count',
  'dataDir',
  'detail',
  'epoch',
  'err',
  'events',
  'key',
  'lagSeconds',
  'method',
  'migrations',
  'ms',
  'origin',
  'parkedStreams',
  'position',
  'problem',
  'projection',
  'reqId',
  'revision',
  'role',
  'route',
  'signal',
  'state',
  'status',
  'stream',
  'tenant',
  'traceId',
  'version',
]);

/** Our keys, JSON web tokens, bearer credentials, and passwords inside connection strings. */
const CREDENTIALS =
  /plinth_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{8,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*|(?<=[Bb]earer )[^\s"\\]+|(?<=:\/\/[^:/\s"]{0,100}:)[^@/\s"]+(?=@)/g;

/** One look decides for nearly every line: running the expression costs more than writing it. */
export function scrub(line: string): string {
  if (
    !line.includes('plinth_') &&
    !line.includes('eyJ') &&
    !line.includes('earer ') &&
    !line.includes('://')
  ) {
    return line;
  }
  return line.replace(CREDENTIALS, '[scrubbed]');
}

export interface LogOptions {
  readonly level: Settings['logLevel'];
  /** Where lines go; standard output unless given. */
  readonly write?: (line: string) => void;
}

export function createLog({ level, write }: LogOptions): Log {
  const options = {
    level,
    base: undefined,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    messageKey: 'message',
    formatters: {
      level: (label: string) => ({ level: label }),
      log: allowed,
    },
    serializers: { err: errorShape },
    hooks: { streamWrite: scrub },
  };
  return write === undefined ? pino(options) : pino(options, { write });
}

function allowed(fields: Record<string, unknown>): Record<string, unknown> {
  let refused: string[] | undefined;
  for (const name in fields) if (!ALLOWED.has(name)) refused = [...(refused ?? []), name];
  if (refused === undefined) return fields;
  const kept: Record<string, unknown> = {};
  for (const name in fields) if (ALLOWED.has(name)) kept[name] = fields[name];
  kept.notLogged = refused;
  return kept;
}

const MAX_MESSAGE_CHARS = 1_000;
const MAX_CAUSES = 3;

/** Not the error's own fields: those of a database error quote rows. */
function errorShape(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const code = (error as { code?: unknown }).code;
  return {
    type: error.name,
    message: error.message.slice(0, MAX_MESSAGE_CHARS),
    ...(typeof code === 'string' && { code }),
    stack: error.stack?.split('\n').slice(1, 12).join('\n'),
    ...(error.cause !== undefined && depth < MAX_CAUSES && { cause: errorShape(error.cause, depth + 1) }),
  };
}
