/**
 * Two clients print what they do when the variable DEBUG asks for it: that of EventStoreDB the whole
 * connection string and parts of keys, that of Redis every command, AUTH with the password among them.
 * DEBUG is set for other programs as well, so what it asks of these two is refused. The client of Kafka has
 * no such output, and no password.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** For before the first use of a client: whatever DEBUG says, it prints nothing of this namespace. */
export function refuseDebugOutput(client: string, namespace: string): void {
  // The `debug` that this client uses, if there are several.
  const debug = createRequire(require.resolve(client))('debug') as { enable(namespaces: string): void };
  debug.enable(`${process.env.DEBUG ?? ''},-${namespace},-${namespace}:*`);
}
