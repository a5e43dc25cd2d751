/** Which problems a route can answer: its own, and those of the manners it declares. */
import { type ErrorCode, errorCatalogue } from '../../schemas/errors.ts';
import type { Route } from '../route.ts';

const OF_EVERY_ROUTE: readonly ErrorCode[] = [
  'invalid_request',
  'not_acceptable',
  'request_timeout',
  'uri_too_long',
  'headers_too_large',
  'internal',
];
const OF_CREDENTIALS: readonly ErrorCode[] = [
  'credential_missing',
  'credential_invalid',
  'tenant_suspended',
  'verify_stale',
  'log_epoch_changed',
  'unavailable',
  'overloaded',
];
const OF_BODIES: readonly ErrorCode[] = ['malformed_json', 'body_too_large', 'unsupported_media_type'];
/** What any command can meet on its way into the log. */
const OF_COMMANDS: readonly ErrorCode[] = ['contended', 'event_too_large'];

export function problemCodesOf(route: Route<never>): readonly ErrorCode[] {
  const codes = new Set<ErrorCode>([...OF_EVERY_ROUTE, ...(route.problems ?? [])]);
  const add = (more: readonly ErrorCode[]) => {
    for (const code of more) codes.add(code);
  };
  if (!('public' in route.access)) add(OF_CREDENTIALS);
  if ('permission' in route.access) codes.add('permission_denied');
  if (route.body) add(OF_BODIES);
  if (route.params) codes.add('not_found');
  if (route.idempotent) add([...OF_COMMANDS, 'idempotency_mismatch']);
  if (route.conditional) codes.add('precondition_failed');
  if (route.readsYourWrites) add(['epoch_gone', 'projection_behind']);
  return [...codes].sort((a, b) => errorCatalogue[a].status - errorCatalogue[b].status || (a < b ? -1 : 1));
}
