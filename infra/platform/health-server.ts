/** `/livez`, `/readyz` and `/metrics` of a process that serves no API: the same application, with no domain. */
import type { AddressInfo } from 'node:net';
import { buildApp } from '../../api/app.ts';
import type { Readiness } from '../../api/deps.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { outageOf } from '../outage.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Engines } from './engines.ts';
import { VERSION } from './version.ts';

export interface HealthServerOptions {
  readonly engines: Engines;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly ready: () => Promise<Readiness>;
  readonly port: number;
}

export async function startHealthServer(
  options: HealthServerOptions,
): Promise<{ port: number; close(): Promise<void> }> {
  const { engines, log, metrics, ready, port } = options;
  const { epoch } = await engines.log.head();
  const app = buildApp(
    {
      clock: engines.clock,
      random: engines.random,
      logger: log,
      authenticate: () => {
        throw new PlinthError('credential_invalid', 'Nothing here asks for a credential.');
      },
      epoch: () => epoch,
      requestDigest: () => '',
      outage: outageOf,
      observe: metrics.observe,
      live: () => true,
      ready,
      metrics: metrics.render,
      version: VERSION,
      services: null,
    },
    [],
  );
  await app.listen({ host: engines.settings.host, port });
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}
