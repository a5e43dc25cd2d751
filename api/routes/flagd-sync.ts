/** Flags for flagd daemons and for providers that evaluate by themselves: https://flagd.dev/concepts/syncs */
import { environmentStream } from '../../commands/streams.ts';
import { positionToken } from '../../schemas/envelope.ts';
import { namesEtag } from '../flags/bulk-etag.ts';
import { flagdFile } from '../flags/flagd-file.ts';
import { flagsReader } from '../flags/flags-use.ts';
import { defineRoute } from '../services.ts';
import { environmentParams, noSuch } from './flag-paths.ts';

export const flagdSyncRoutes = [
  defineRoute({
    method: 'GET',
    path: '/v1/sync/{project}/{environment}/flagd.json',
    operationId: 'syncFlagd',
    summary: 'The flags of an environment, for flagd',
    description:
      'A flag set with every flag that flagd evaluates as Plinth does. The others are named in its metadata: they are served over OFREP alone. Point flagd at it as a source over HTTP; `If-None-Match` answers 304 while nothing has changed.',
    tag: 'Evaluation',
    access: { flagsKeys: ['flags-server'] },
    params: environmentParams,
    problems: ['not_found', 'conflict', 'unavailable'],
    responses: {
      200: {
        description: 'A flag set: https://flagd.dev/schema/v0/flags.json',
        contentType: 'application/json',
        example:
          '{"flags":{"new-checkout":{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off"}}}',
      },
    },
    async handler(request, { flags, epoch }) {
      const { project, environment } = request.params;
      const { tenant } = request.caller;
      const { stream } = flagsReader(request.caller);
      // A key reads its own environment; any other one is none.
      if (stream !== environmentStream(tenant, project, environment)) throw noSuch('environment');
      const served = await flags.of(stream);
      if (served === null) throw noSuch('environment');
      const etag = `"${positionToken(epoch(), served.position)}"`;
      const type = 'application/json; charset=utf-8';
      const headers: Record<string, string> = { vary: 'accept-encoding', 'content-type': type };
      if (!served.isPartOfPosition) headers.etag = etag;
      const age = flags.ageSeconds(stream);
      if (age !== null) headers.age = String(age);
      if (headers.etag !== undefined && namesEtag(request.ifNoneMatch, etag)) return { status: 304, headers };
      const { text, gzipped } = await flagdFile(served);
      if (!takesGzip(request.acceptEncoding)) return { status: 200, headers, body: text };
      headers['content-encoding'] = 'gzip';
      return { status: 200, headers, body: gzipped };
    },
  }),
];

/** RFC 9110 §12.5.3: named, and not with a weight of 0. */
function takesGzip(acceptEncoding: string | undefined): boolean {
  return /(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[\d.]+\s*)?(?:,|$)/i.test(
    acceptEncoding ?? '',
  );
}
