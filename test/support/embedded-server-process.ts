/** Starts an embedded server in the folder given, says what it is as one line of JSON, and waits to be ended. */
import { startEmbeddedPostgres } from '../../infra/embedded/embedded-postgres.ts';

const server = await startEmbeddedPostgres({ dataDir: process.argv[2]! });
console.log(JSON.stringify({ pid: server.pid, owned: server.owned, url: server.url }));
setInterval(() => undefined, 60_000);
