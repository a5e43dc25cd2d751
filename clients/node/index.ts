export { type ClientErrorCode, PlinthClientError, type ProblemBody } from './errors.ts';
export {
  type CallOptions,
  type KeyFilter,
  PlinthClient,
  type PlinthClientOptions,
  type Usage,
  type UsageRange,
  type WriteOptions,
  type Written,
} from './plinth-client.ts';
export type * from './types.ts';
