/** What the stand-in does wrong when a test asks for it. */
export interface Faults {
  /** Calls are taken and never answered; those under way stop being answered. */
  hang: boolean;
  /** Calls end with UNAVAILABLE. */
  refuse: boolean;
  /** Every answer comes so much later, in ms. */
  lateMs: number;
  /** Calls that need the leader are sent to this port. */
  leaderAt: number | null;
  /** The next so many appends take effect, and end with UNAVAILABLE instead of their answer. */
  losesAppends: number;
  /** The next so many reads end in order after half of what they would have answered, one event by none. */
  endsReads: number;
  /** The next so many reads from a position fail as where no record begins, whatever lies there. */
  failsReadsAt: number;
  /** No append is answered with a position, and no stream read with any: as servers of before 22.10 do. */
  omitsPositions: boolean;
}

export function noFaults(): Faults {
  return {
    hang: false,
    refuse: false,
    lateMs: 0,
    leaderAt: null,
    losesAppends: 0,
    endsReads: 0,
    failsReadsAt: 0,
    omitsPositions: false,
  };
}
