/** W3C Trace Context: what a caller sends is kept as the origin, and a trace of our own is begun. */
import type { Random } from '../../commands/clock.ts';

export interface TraceContext {
  /** 32 hexadecimal digits, minted here: a caller cannot choose what our traces are filed under. */
  readonly traceId: string;
  readonly traceparent: string;
  /** The caller's own `traceparent`, as a link; null when it sent none that is valid. */
  readonly origin: string | null;
}

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

export function traceContext(random: Random, header: string | string[] | undefined): TraceContext {
  const hex = Buffer.from(random.bytes(24)).toString('hex');
  const traceId = hex.slice(0, 32);
  return {
    traceId,
    traceparent: `00-${traceId}-${hex.slice(32)}-01`,
    origin: typeof header === 'string' && validTraceparent(header) ? header : null,
  };
}

/** Version ff, and ids of zeros, are invalid by §3.2.2. */
export function validTraceparent(text: string): boolean {
  return (
    TRACEPARENT.test(text) &&
    !text.startsWith('ff') &&
    !/^0+$/.test(text.slice(3, 35)) &&
    !/^0+$/.test(text.slice(36, 52))
  );
}
