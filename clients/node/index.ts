export { type ClientErrorCode, PlinthClientError, type ProblemBody } from './errors.ts';
export type {
  CallOptions,
  KeyFilter,
  PlinthClientOptions,
  Usage,
  UsageRange,
  WriteOptions,
  Written,
} from './options.ts';
export { PlinthClient } from './plinth-client.ts';
export type * from './types.ts';
