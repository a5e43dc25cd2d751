/** What operators and their machines ask. */
import { z } from 'zod';
import { PlinthError } from '../../schemas/errors.ts';
import type { ApiDeps } from '../deps.ts';
import type { Route } from '../route.ts';

const liveSchema = z.strictObject({ status: z.literal('live') });
const readySchema = z.strictObject({
  status: z.literal('ready'),
  /** By dependency. */
  checks: z.record(
    z.string(),
    z.strictObject({
      ok: z.boolean(),
      detail: z.string().nullable(),
      /** Of a projection: what brings it the events. */
      fedBy: z.enum(['log', 'kafka']).optional(),
      /** Of the topics that feed it; null: the log does. */
      generation: z.int().nullable().optional(),
    }),
  ),
});

export type Health = Pick<ApiDeps<never>, 'live' | 'ready' | 'metrics'>;

export function healthRoutes<S>(deps: Health): readonly Route<S>[] {
  return [
    {
      method: 'GET',
      path: '/livez',
      operationId: 'live',
      summary: 'Whether the process lives',
      description: 'Says nothing of its dependencies: restart the process when this fails.',
      tag: 'Operations',
      access: { public: true },
      responses: { 200: { description: 'It lives.', schema: liveSchema, example: { status: 'live' } } },
      problems: ['unavailable'],
      handler() {
        if (!deps.live()) throw new PlinthError('unavailable', 'The process does not keep up with itself.');
        return { status: 200, body: { status: 'live' } };
      },
    },
    {
      method: 'GET',
      path: '/readyz',
      operationId: 'ready',
      summary: 'Whether requests should be sent here',
      description: 'Names each dependency and whether it answers.',
      tag: 'Operations',
      access: { public: true },
      responses: {
        200: {
          description: 'Ready.',
          schema: readySchema,
          example: {
            status: 'ready',
            checks: {
              log: { ok: true, detail: null },
              'projection:keys': { ok: true, detail: null, fedBy: 'log', generation: null },
              'projection:key_list': { ok: true, detail: null, fedBy: 'kafka', generation: 1 },
            },
          },
        },
      },
      problems: ['unavailable'],
      async handler() {
        const { ready, checks } = await deps.ready();
        if (ready) return { status: 200, body: { status: 'ready', checks } };
        const failing = Object.keys(checks).filter((name) => !checks[name]!.ok);
        throw new PlinthError('unavailable', `Not ready: ${failing.join(', ') || 'starting or stopping'}.`, {
          extra: { checks },
        });
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      operationId: 'metrics',
      summary: 'Metrics, for Prometheus',
      description:
        'In the text format of Prometheus. Keep it off the open network: a proxy should not pass it on.',
      tag: 'Operations',
      access: { public: true },
      responses: { 200: { description: 'The metrics.', contentType: 'text/plain' } },
      async handler() {
        const { contentType, body } = await deps.metrics();
        return { status: 200, body, headers: { 'content-type': contentType } };
      },
    },
  ];
}
