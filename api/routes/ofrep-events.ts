/** The stream of changes that evaluation over OFREP points its clients to. */
import { z } from 'zod';
import type { Clock, Random } from '../../commands/clock.ts';
import { type ChangeStreamDeps, refused, streamChanges } from '../flags/change-stream.ts';
import { EVENTS_PATH } from '../flags/change-streams.ts';
import { openStreamToken } from '../flags/stream-token.ts';
import { routesOf } from '../route.ts';

export interface OfrepEventsServices {
  readonly clock: Clock;
  readonly flagEvents: Pick<ChangeStreamDeps, 'hub' | 'stillGood'> & {
    readonly random: Random;
    /** At least 32 bytes, the same in every process of the API: signs the addresses of streams. */
    readonly key: Uint8Array;
  };
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
    access: { public: true },
    cors: true,
    query: z.looseObject({ token: z.string().optional().describe('As evaluation handed it out.') }),
    responses: {
      200: { description: 'The stream.', contentType: 'text/event-stream' },
      401: { description: 'No token, one that has expired, or one of a key that is no longer good.' },
      429: { description: 'The environment has too many streams: wait as `Retry-After` says.' },
    },
    problems: ['overloaded', 'shutting_down'],
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
