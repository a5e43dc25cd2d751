/** The reference page, wholly from here: no other host is asked for anything. */
import Fastify from 'fastify';
import { REFERENCE_CSP } from '../plugins/security-headers.ts';
import type { Answer, Route } from '../route.ts';

const PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Plinth API reference</title></head>
<body><div id="app"></div><script src="/docs/scalar.js"></script><script src="/docs/start.js"></script></body>
</html>`;

/** Everything that would leave this host is off. */
const START = `Scalar.createApiReference('#app', ${JSON.stringify({
  url: '/openapi.json',
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: 'never',
  agent: { disabled: true },
  mcp: { disabled: true },
  documentDownloadType: 'json',
  persistAuth: false,
  authentication: { preferredSecurityScheme: 'managementKey' },
})});`;

const JAVASCRIPT = 'text/javascript';
/** An upgrade may bring a new bundle under the same address. */
const CACHED = 'public, max-age=3600';

export function referenceRoutes<S>(): readonly Route<S>[] {
  let bundle: Promise<string> | undefined;
  const common = { method: 'GET', tag: 'Operations', access: { public: true } } as const;
  return [
    {
      ...common,
      path: '/docs',
      operationId: 'reference',
      summary: 'The reference page',
      description: 'This document, to be read and tried in a browser.',
      responses: { 200: { description: 'The page.', contentType: 'text/html' } },
      handler: () => answer('text/html', PAGE, { 'content-security-policy': REFERENCE_CSP }),
    },
    {
      ...common,
      path: '/docs/start.js',
      operationId: 'referenceStart',
      summary: 'Starts the reference page',
      description: 'Part of the reference page.',
      responses: { 200: { description: 'A script.', contentType: JAVASCRIPT } },
      handler: () => answer(JAVASCRIPT, START, {}),
    },
    {
      ...common,
      path: '/docs/scalar.js',
      operationId: 'referenceBundle',
      summary: 'Draws the reference page',
      description: 'Part of the reference page: the bundle of Scalar API Reference (MIT).',
      responses: { 200: { description: 'A script.', contentType: JAVASCRIPT } },
      async handler() {
        bundle ??= scalarBundle();
        return answer(JAVASCRIPT, await bundle, { 'cache-control': CACHED });
      },
    },
  ];
}

function answer(type: string, body: string, headers: Record<string, string>): Answer {
  return { status: 200, body, headers: { 'content-type': `${type}; charset=utf-8`, ...headers } };
}

/**
 * The package carries its bundle (5 MB) and gives it out only as a route, so a server that never listens is
 * asked once, when the page is first opened: loading it costs 150 ms that a start should not.
 */
async function scalarBundle(): Promise<string> {
  const { default: scalar } = await import('@scalar/fastify-api-reference');
  const carrier = Fastify();
  await carrier.register(scalar, { routePrefix: '/docs', configuration: { url: '/openapi.json' } });
  const { payload } = await carrier.inject('/docs/js/scalar.js');
  await carrier.close();
  return payload;
}
