/** REDIS_URL, taken apart. */
import { Secret } from '../../schemas/secret.ts';

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

export interface RedisTarget {
  /** One: a server. Several: nodes of a cluster, which tell of the others. */
  readonly nodes: readonly RedisNode[];
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: Secret<string> | undefined;
  /** 0 in a cluster. */
  readonly database: number;
}

const DEFAULT_PORT = 6379;

/**
 * `redis://user:password@host:port/database`, `rediss://` for TLS, several `host:port` separated by commas
 * for a cluster. User and password are percent-encoded. Throws without quoting the text, which is a secret.
 */
export function parseRedisUrl(url: Secret<string>): RedisTarget {
  const parts = /^(rediss?):\/\/(?:([^@/\s]*)@)?([^@/\s]+?)(?:\/(\d{0,3}))?$/.exec(url.reveal());
  if (!parts) throw new Error('the connection string of Redis cannot be read');
  const [, scheme, login, hosts, database] = parts;
  const nodes = hosts!.split(',').map(nodeOf);
  if (nodes.length > 1 && Number(database ?? 0) !== 0) {
    throw new Error('a Redis Cluster has only database 0');
  }
  const colon = login?.indexOf(':') ?? -1;
  const username = login === undefined ? '' : colon < 0 ? login : login.slice(0, colon);
  const password = login === undefined || colon < 0 ? '' : login.slice(colon + 1);
  return {
    nodes,
    tls: scheme === 'rediss',
    username: username === '' ? undefined : decoded(username),
    password: password === '' ? undefined : new Secret(decoded(password)),
    database: Number(database ?? 0),
  };
}

function nodeOf(text: string): RedisNode {
  const parts = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  if (!parts) throw new Error('a host in the connection string of Redis cannot be read');
  return { host: (parts[1] ?? parts[2])!, port: parts[3] === undefined ? DEFAULT_PORT : Number(parts[3]) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('user and password in the connection string of Redis must be percent-encoded');
  }
}
