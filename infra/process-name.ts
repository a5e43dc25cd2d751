/** How an operator finds this process: the one form in which every lease, list and message names it. */
import { hostname } from 'node:os';

/** A name of DNS has so many characters at most in each of its parts. */
const MAX_HOST_CHARS = 63;

export function processName(): string {
  return `process ${process.pid} on ${hostname().slice(0, MAX_HOST_CHARS)}`;
}
