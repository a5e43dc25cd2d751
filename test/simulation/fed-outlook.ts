/** Where a projection that Kafka may feed stands, and what it may stand there for. */
import { START } from '../../schemas/envelope.ts';
import type { Struck } from './fed-fate.ts';
import { DOMAINS, isOfLostHistory } from './fed-truth.ts';
import type { FedWorld } from './fed-world.ts';
import { NAME } from './projection-world.ts';

export interface Outlook {
  isHalted(): boolean;
  /** A relay halts and has reason to, or finds topics that are not its own. */
  asksForRestart(): boolean;
  /** It is where the log no longer is. */
  isLost(): boolean;
  /** All is applied, by the way that is configured. */
  isLevel(): boolean;
  /** With the next event what is deleted is made anew, and who has no Kafka sees whether others feed it. */
  isAsFarAsItGets(): boolean;
  hasReasonNotToJoin(): boolean;
}

export function outlookOf({ world, truth, relays, projectors }: Struck): Outlook {
  const { log, broker, database } = world;
  const isHalted = () => database.current(NAME)?.halted != null;
  const asksForRestart = () =>
    (truth.mayHalt() && relays.says(({ state }) => state === 'halted')) ||
    relays.says(({ problem }) => problem?.includes('partitions, not') === true);
  const isLost = () => {
    const seen = database.current(NAME);
    return seen !== null && (truth.isLost(seen.stamp) || isOfLostHistory(seen, log));
  };
  const level = () => isLevel(world, projectors.fed) && !isLost();
  /** Before a relay has begun there are none, and it makes them by itself. */
  const lostTopics = () => broker.record() !== null && lacksTopics(world);
  return {
    isHalted,
    asksForRestart,
    isLost,
    isLevel: level,
    isAsFarAsItGets: () =>
      level() || ((lacksTopics(world) || !projectors.fed) && isAtHead(world) && !isLost()),
    hasReasonNotToJoin: () =>
      !projectors.fed || relays.isHeld() || lostTopics() || isHalted() || asksForRestart(),
  };
}

/** Everything that was written is applied. */
function isAtHead({ log, database }: FedWorld): boolean {
  const seen = database.current(NAME);
  return seen?.halted === null && seen.stamp.position === (log.events.at(-1)?.position ?? START);
}

/** The same, and by the way that is configured. */
function isLevel(world: FedWorld, fed: boolean): boolean {
  if (!isAtHead(world)) return false;
  const { feed } = world.database.current(NAME)!;
  return fed ? feed?.generation === world.broker.record()?.generation : feed === null;
}

/** Whether one of its topics is away: the relay makes it anew when it has something for it. */
function lacksTopics({ broker }: FedWorld): boolean {
  const standing = broker.record()?.generation;
  const stands = (domain: string) =>
    broker.topics().some((topic) => topic.domain === domain && topic.generation === standing);
  return !DOMAINS.every(stands);
}
