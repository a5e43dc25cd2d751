/** The product's app with the routes of OFREP alone, over flags made by hand. */
import type { FastifyInstance } from 'fastify';
import { buildApp } from '../../api/app.ts';
import type { ApiDeps } from '../../api/deps.ts';
import { ChangeHub } from '../../api/flags/change-hub.ts';
import { type ChangeStreams, changeStreams } from '../../api/flags/change-streams.ts';
import type { ClientLimit } from '../../api/flags/client-limit.ts';
import type { ServedEnvironment, ServedFlags } from '../../api/flags/served-environment.ts';
import { type OfrepServices, ofrepRoutes } from '../../api/routes/ofrep.ts';
import { type OfrepEventsServices, ofrepEventsRoutes } from '../../api/routes/ofrep-events.ts';
import type { Clock } from '../../commands/clock.ts';
import { systemClock, systemRandom } from '../../infra/system-clock.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { EPOCH } from './scratch-api.ts';
import { flagsCallers, type HandMadeServing, handMadeServing } from './served-flags.ts';

type Services = OfrepServices & OfrepEventsServices;
const STREAM_KEY = new Uint8Array(32).fill(7);

export interface OfrepApp {
  readonly app: FastifyInstance;
  readonly serving: HandMadeServing;
  /** Whom changes are told to; null unless it is live. */
  readonly hub: ChangeHub | null;
  /** While it is a number, every request answers 429 and says to wait for so many seconds. */
  busySeconds: number | null;
}

export interface OfrepAppOptions {
  readonly streams?: ChangeStreams;
  readonly clientLimit?: ClientLimit;
  readonly served?: ServedFlags;
  /** Of what is served; null unless given. */
  readonly ageSeconds?: number;
  /** What addresses of streams expire by. */
  readonly clock?: Clock;
  /** Changes are told. */
  readonly live?: boolean;
}

/** `credential`s besides those of `flagsCallers`: `suspended` and `stale` are refused for that. */
export function ofrepApp(
  t: { after(fn: () => unknown): void },
  environment: ServedEnvironment,
  { streams, clientLimit, served, ageSeconds, clock = systemClock, live }: OfrepAppOptions = {},
): OfrepApp {
  const serving = handMadeServing(environment);
  const hub = new ChangeHub({
    clock: systemClock,
    epoch: () => EPOCH,
    standsAt: () => serving.environment?.position ?? null,
  });
  const told = live ? changeStreams(STREAM_KEY, clock) : streams;
  const deps: ApiDeps<Services> = {
    clock: systemClock,
    random: systemRandom,
    authenticate(credential, _peer, uses) {
      if (ofrep.busySeconds !== null) {
        throw new PlinthError('too_many_requests', 'Slow down.', {
          extra: { retryAfterSeconds: ofrep.busySeconds },
        });
      }
      if (credential === 'suspended') throw new PlinthError('tenant_suspended', 'It is suspended.');
      if (credential === 'stale') throw new PlinthError('verify_stale', 'It is not fresh.');
      const caller = flagsCallers[credential];
      if (!caller || !uses?.includes(caller.use)) {
        throw new PlinthError('credential_invalid', 'This key is not accepted.');
      }
      return caller;
    },
    epoch: () => EPOCH,
    requestDigest: () => '',
    live: () => true,
    ready: async () => ({ ready: true, checks: {} }),
    metrics: async () => ({ contentType: 'text/plain', body: '' }),
    version: '0.0.0',
    services: {
      clock,
      epoch: () => EPOCH,
      flags: {
        of: (stream, atLeast) => (served ?? serving.served).of(stream, atLeast),
        ageSeconds: () => ageSeconds ?? null,
      },
      ...(told && { flagStreams: told }),
      flagEvents: { hub, random: systemRandom, key: STREAM_KEY, stillGood: () => true },
      ...(clientLimit && { clientLimit }),
    },
  };
  const ofrep: OfrepApp = {
    app: buildApp<Services>(deps, [...ofrepRoutes, ...ofrepEventsRoutes]),
    serving,
    hub: live ? hub : null,
    busySeconds: null,
  };
  t.after(async () => {
    hub.close();
    await ofrep.app.close();
  });
  return ofrep;
}
