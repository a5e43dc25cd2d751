/** What the stand-in does wrong when a test asks for it. */
export interface Faults {
  /** Calls are taken and never answered; those under way stop being answered. */
  hang: boolean;
  /** Calls end with UNAVAILABLE. */
  refuse: boolean;
  /** Every answer comes so much later, in ms. */
  lateMs: number;
  /** Calls that need the leader are sent elsewhere. */
  notLeader: boolean;
  /** The next so many appends take effect, and end with UNAVAILABLE instead of their answer. */
  losesAppends: number;
  /** The next so many reads end in order after half of what they would have answered. */
  endsReads: number;
}

export function noFaults(): Faults {
  return { hang: false, refuse: false, lateMs: 0, notLeader: false, losesAppends: 0, endsReads: 0 };
}
