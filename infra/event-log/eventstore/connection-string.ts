/** EVENT_LOG_URL as the client of EventStoreDB takes it, and without what it would print. */
import type { Secret } from '../../../schemas/secret.ts';

/** As the client spells them; it takes them in any case, with or without `-` and `_`. */
const OPTIONS = [
  ...['tls', 'tlsCAFile', 'tlsVerifyCert', 'userCertFile', 'userKeyFile', 'nodePreference'],
  ...['connectionName', 'maxDiscoverAttempts', 'discoveryInterval', 'gossipTimeout'],
  ...['defaultDeadline', 'keepAliveInterval', 'keepAliveTimeout', 'throwOnAppendFailure', 'dnsDiscover'],
];
const flat = (name: string) => name.trim().toLowerCase().replace(/[_-]/g, '');
const KNOWN = new Set(OPTIONS.map(flat));

/**
 * Throws for an option that the client does not know or does not keep to: it would warn on standard error,
 * quoting the whole string with the password.
 */
export function connectionString(url: Secret<string>): string {
  // The successor's name of the scheme; the server is the same.
  const text = url
    .reveal()
    .trim()
    .replace(/^kurrentdb(\+discover)?:\/\//, 'esdb$1://');
  // A password may hold a question mark.
  const [, query = ''] = /^[^:]+:\/\/(?:[^:]+:[^@]+@)?[^?]*\?(.*)$/s.exec(text) ?? [];
  for (const pair of query.split(/[&?]/).filter((part) => part !== '')) {
    const [name = '', value = ''] = pair.split('=');
    if (!KNOWN.has(flat(name))) {
      throw new Error(`EVENT_LOG_URL has an option that is none of: ${OPTIONS.join(', ')}.`);
    }
    if (flat(name) === 'tlsverifycert' && value.trim() !== 'true') {
      throw new Error(
        'EVENT_LOG_URL: tlsVerifyCert=false is not kept to by the client: name the authority with tlsCAFile.',
      );
    }
  }
  return text;
}

/** Where the servers are, without the credentials; null where that cannot be told apart for certain. */
export function serversOf(text: string): string | null {
  // Whatever a password holds, it ends at the last @.
  const behind = text.replace(/^[a-z+]+:\/\//, '').replace(/^.*@/s, '');
  const [servers = ''] = behind.split(/[/?]/);
  return /^[A-Za-z0-9.:,[\]-]{1,500}$/.test(servers) ? servers : null;
}
