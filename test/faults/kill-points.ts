/** Points at which a relay or a projector can be made to die, and what brings it there. */

export type Way =
  /** It gets there while it works. */
  | 'works'
  /** When it takes the place of the one that works. */
  | 'takes over'
  | 'starts'
  | 'stops';

export const relayPoints = {
  /** Whoever was before is fenced; its own marker is not written. */
  'relay-fenced': 'takes over',
  /** It knows where it stands, and has committed nothing. */
  'relay-took-over': 'takes over',
  /** The records are sent, the transaction is open. */
  'relay-events-sent': 'works',
  'relay-watermarks-sent': 'works',
  /** The commit is on its way: the broker may or may not carry it out. */
  'relay-commit-sent': 'works',
  /** Before it reads on. */
  'relay-committed': 'works',
  /** All is committed, and the lease is its own. */
  'relay-leaves': 'stops',
} as const satisfies Record<string, Way>;

/** Of one that Kafka feeds. */
export const projectorPoints = {
  'fed-before-transaction': 'works',
  /** The first statement of a batch moves the place of the partition; the rows follow. */
  'fed-place-moved': 'works',
  /** All but the commit. */
  'fed-rows-written': 'works',
  'fed-commit-sent': 'works',
  /** Before the group hears of it, and before the next batch. */
  'fed-committed': 'works',
  /** Over a watermark, in a statement of its own. */
  'fed-watermark-passed': 'works',
  /** The partitions are its own, and their places loaded; nothing has been fetched. */
  'fed-assigned': 'starts',
  /** The last batch is committed; the group has not been left. */
  'fed-leaves': 'stops',
} as const satisfies Record<string, Way>;

/** Of the projection of the key list, which goes from the log to Kafka when the first relay works. */
export const joiningPoints = [
  /** In the transaction that writes the places. */
  'join-places-written',
  /** Kafka feeds it now, and no member has joined the group. */
  'join-committed',
] as const;

export type KillPoint =
  | keyof typeof relayPoints
  | keyof typeof projectorPoints
  | (typeof joiningPoints)[number];

export const killPoints = [
  ...Object.keys(relayPoints),
  ...Object.keys(projectorPoints),
  ...joiningPoints,
] as readonly KillPoint[];
