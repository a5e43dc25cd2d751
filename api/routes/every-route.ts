/** The routes of the domains, and those that every API has. */
import type { OpenApiDocument } from '../openapi/document.ts';
import type { Route } from '../route.ts';
import { documentRoutes } from './documents.ts';
import { type Health, healthRoutes } from './health.ts';
import { referenceRoutes } from './reference.ts';

export function everyRoute<S>(
  domainRoutes: readonly Route<S>[],
  health: Health,
  document: () => OpenApiDocument,
): readonly Route<S>[] {
  return [
    ...domainRoutes,
    ...healthRoutes<S>(health),
    ...documentRoutes<S>(document),
    ...referenceRoutes<S>(),
  ];
}
