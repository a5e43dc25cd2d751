/**
 * One server that is measured over HTTP, in a process of its own: the product's, or a yardstick. Tells its
 * port to the process that started it; its log lines go to standard output, as in production.
 *
 * `plinth`: every role that `plinth start` runs. `constant`: the same application with the same request
 * and answer schemas, log and metrics, whose routes ask for no credential and answer the same every time.
 * `bare`: a Fastify route without any of that. `broadcast`: answers a request, then writes to all open streams.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { buildApp } from '../api/app.ts';
import { ofrepRoutes } from '../api/routes/ofrep.ts';
import { verifyRoutes } from '../api/routes/verify.ts';
import { startApiServer } from '../infra/platform/api-server.ts';
import { openEngines } from '../infra/platform/engines.ts';
import { startProjector } from '../infra/platform/projector.ts';
import { VERSION } from '../infra/platform/version.ts';
import { systemClock, systemRandom } from '../infra/system-clock.ts';
import { createLog } from '../infra/telemetry/log.ts';
import { createMetrics } from '../infra/telemetry/metrics.ts';
import type { Epoch } from '../schemas/envelope.ts';
import type { VerifyView } from '../schemas/views/verify.ts';
import { settingsOf } from './scratch-house.ts';

const HOST = '127.0.0.1';
const EPOCH = '00000000-0000-4000-8000-000000000000' as Epoch;

const ANSWER: VerifyView = {
  valid: true,
  code: 'VALID',
  keyId: 'key_4fTq0ZxW91bA',
  ownerId: 'customer-1',
  use: 'api',
  mode: 'live',
  scopes: ['invoices:read', 'invoices:write', 'customers:read'],
  limits: [
    { name: 'burst', limit: 1_000_000_000, windowSeconds: 60, remaining: 999_999_999, resetSeconds: 1 },
  ],
  credits: null,
  position: `${EPOCH}.00000000000000010000`,
  retryAfterSeconds: null,
};

const EVALUATION = JSON.stringify({ key: 'flag-0', value: false, reason: 'SPLIT', variant: 'off' });
const BULK_ETAG = `"${EPOCH}.00000000000000010000-4fTq0ZxW91bA4fTq0ZxW91"`;

async function plinth(environment: Readonly<Record<string, string>>): Promise<number> {
  const settings = settingsOf({ ...environment, PLINTH_PORT: '0' });
  const log = createLog({ level: settings.logLevel });
  const metrics = createMetrics();
  const engines = await openEngines({ settings, log, metrics, applicationName: 'plinth bench server' });
  const projector = startProjector(engines, log);
  metrics.watch({ projections: projector.health });
  const server = await startApiServer({
    engines,
    log,
    metrics,
    ready: async () => ({ ready: true, checks: {} }),
  });
  return Number(new URL(server.url).port);
}

async function constant(): Promise<number> {
  const metrics = createMetrics();
  const [verify] = verifyRoutes;
  const [all, one] = ofrepRoutes;
  const access = { public: true } as const;
  const app = buildApp(
    {
      clock: systemClock,
      random: systemRandom,
      logger: createLog({ level: 'info' }),
      authenticate: () => {
        throw new Error('nobody is asked for a credential');
      },
      epoch: () => EPOCH,
      requestDigest: () => '',
      observe: metrics.observe,
      live: () => true,
      ready: async () => ({ ready: true, checks: {} }),
      metrics: metrics.render,
      version: VERSION,
      services: null,
    },
    [
      { ...verify!, access, handler: () => ({ status: 200, body: ANSWER }) },
      { ...all!, access, handler: () => ({ status: 304, headers: { etag: BULK_ETAG } }) },
      { ...one!, access, handler: () => ({ status: 200, body: EVALUATION }) },
    ],
  );
  await app.listen({ host: HOST, port: 0 });
  return (app.server.address() as AddressInfo).port;
}

async function bare(): Promise<number> {
  const app = Fastify({ logger: false });
  app.post('/v1/keys/verify', () => ANSWER);
  await app.listen({ host: HOST, port: 0 });
  return (app.server.address() as AddressInfo).port;
}

/** The least that a process can do to tell a change: no log, no database, one turn. */
async function broadcast(): Promise<number> {
  const streams = new Set<ServerResponse>();
  let position = 0;
  const server = createServer((request, response) => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(messageAt(position));
      streams.add(response);
      response.once('close', () => streams.delete(response));
      return;
    }
    request.resume();
    position += 1;
    response.writeHead(200, { 'plinth-position': tokenAt(position), 'content-length': 2 }).end('{}');
    for (const stream of streams) stream.write(messageAt(position));
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  return (server.address() as AddressInfo).port;
}

const tokenAt = (position: number) => `${EPOCH}.${String(position).padStart(20, '0')}`;
const messageAt = (position: number) =>
  `data: {"type":"flagsChanged","urgent":false}\n\nid: ${tokenAt(position)}\ndata: {"type":"refetchEvaluation"}\n\n`;

const [kind, environment = '{}'] = process.argv.slice(2);
const yardsticks: Readonly<Record<string, () => Promise<number>>> = { constant, bare, broadcast };
const port =
  kind === 'plinth'
    ? await plinth(JSON.parse(environment) as Record<string, string>)
    : await yardsticks[kind!]!();
process.send!({ port });
// However the one who started it ends.
process.once('disconnect', () => process.exit(0));
