/** The document of this version, without an app to serve it. Run this file to write `docs/openapi.json`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { allRoutes } from '../routes/all-routes.ts';
import { everyRoute } from '../routes/every-route.ts';
import { type OpenApiDocument, openApiDocument } from './document.ts';

const root = new URL('../../', import.meta.url);
export const COMMITTED = new URL('docs/openapi.json', root);

export function currentDocument(): OpenApiDocument {
  const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { version: string };
  const nobody = () => {
    throw new Error('only the document is asked for');
  };
  const routes = everyRoute(allRoutes, { live: nobody, ready: nobody, metrics: nobody }, nobody);
  return openApiDocument(routes, version);
}

/** As it is committed: readable, with a newline at the end. */
export function documentText(): string {
  return `${JSON.stringify(currentDocument(), null, 2)}\n`;
}

if (import.meta.main) writeFileSync(COMMITTED, documentText());
