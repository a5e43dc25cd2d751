/**
 * The port that spares two relays from fencing each other in turn. It is a hint: that only one of them
 * writes is Kafka's word alone.
 */
export interface RelayLease {
  /** Takes it when it is free, run out or ours, and renews it. False: another relay holds it. */
  hold(): Promise<boolean>;
  /** Takes it whoever holds it, who then stands by: for what an operator does. */
  seize(): Promise<void>;
  /** Gives it up, if it is ours. */
  release(): Promise<void>;
}

/** A holder that says nothing for this long has lost it. */
export const RELAY_LEASE_MS = 1_500;
