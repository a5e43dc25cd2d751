/** The ports of a projector with something replaced: how the twins of the rule `feed` take a safeguard out. */
import type { Feed, FeedEnds, Membership } from '../../projections/feed.ts';
import type { FedGuards, FedWorld } from './fed-world.ts';
import type { Store } from './outages.ts';
import { replacing } from './replacing.ts';

export type Ports = FedGuards['ports'];

export function storing(change: (store: Store, world: FedWorld) => Partial<Store>): Ports {
  return (ports, world) => ({ ...ports, store: replacing(ports.store, change(ports.store, world)) });
}

/** Changes what the members are delivered. */
export function consuming(change: (membership: Membership, world: FedWorld) => Membership): Ports {
  return feeding((feed, world) => ({
    consume: (membership) => feed.consume(change(membership, world)),
  }));
}

/** Changes where the topics seem to end. */
export function ending(change: (ends: FeedEnds, world: FedWorld) => FeedEnds): Ports {
  return feeding((feed, world) => ({
    async ends(domains) {
      const ends = await feed.ends(domains);
      return ends && change(ends, world);
    },
  }));
}

function feeding(change: (feed: Feed, world: FedWorld) => Partial<Feed>): Ports {
  return (ports, world) => {
    const { feed } = ports;
    return { ...ports, feed: feed && replacing(feed, change(feed, world)) };
  };
}
