/** The stream of changes that evaluation over OFREP points its clients to. */
import { z } from 'zod';
import type { Clock } from '../../commands/clock.ts';
import { ofrepBulkFailureSchema, ofrepErrorSchema } from '../../schemas/views/ofrep.ts';
import { refused, streamChanges } from '../flags/change-stream.ts';
import { EVENTS_PATH } from '../flags/change-streams.ts';
import type { FlagEventsServices } from '../flags/flag-events.ts';
import { openStreamToken } from '../flags/stream-token.ts';
import { routesOf } from '../route.ts';

export interface OfrepEventsServices extends Pick<FlagEventsServices, 'flagEvents'> {
  readonly clock: Clock;
}

const defineRoute = routesOf<OfrepEventsServices>();

export const ofrepEventsRoutes = [
  defineRoute({
    method: 'GET',
    path: EVENTS_PATH,
    operationId: 'flagEvents',
    summary: 'Be told when flags change',
    description:
      'Server-sent events. The address comes from `eventStreams` of an evaluation of all flags; it expires, and the stream ends with it: 401 then says to evaluate again, which gives a new address.\n\n`{"type":"refetchEvaluation","etag":…}` says to evaluate again with that `flagConfigEtag`. `{"type":"flagsChanged","flags":[…],"urgent":…}` says what has changed; `flags` is left out where all may have, and for client keys. Ignore types that you do not know.\n\nAn event source that comes again with `Last-Event-ID` is told what it missed, or to evaluate again where that is not known.',
    tag: 'Evaluate flags',
    access: { streamToken: true },
    cors: true,
    query: z.looseObject({ token: z.string().optional().describe('As evaluation handed it out.') }),
    responses: {
      200: { description: 'The stream.', contentType: 'text/event-stream' },
      400: {
        description: 'Something else than one token.',
        schema: ofrepBulkFailureSchema,
        example: { errorCode: 'GENERAL', errorDetails: 'query.token: may be given once' },
      },
      401: { description: 'No token, one that has expired, or one of a key that is no longer good.' },
      429: { description: 'The environment has too many streams: wait as `Retry-After` says.' },
      503: {
        description: 'No stream can be opened here now: wait as `Retry-After` says.',
        schema: ofrepErrorSchema,
        example: { errorDetails: 'This process is stopping.' },
      },
    },
    handler({ query, lastEventId }, { clock, flagEvents }) {
      const grant = openStreamToken(flagEvents.key, query.token ?? '', clock.now());
      if (grant === null) throw refused();
      return {
        status: 200,
        stream: (connection) => streamChanges({ clock, ...flagEvents }, grant, lastEventId, connection),
      };
    },
  }),
];
