/**
 * Which nodes do not answer: each node of a cluster by itself, and a single server as the only one. A few
 * commands in a row that a node fails open its circuit: those for its keys then fail at once, instead of
 * waiting out the deadline one by one, until a probe is answered, by the node or by whoever has its slots now.
 */

/** Commands in a row that fail for the node's sake until its circuit opens. */
const TROUBLES_UNTIL_OPEN = 3;

/** Of commands without a key nothing is learned: any node may have them. */
type Key = string | null;

export interface NodeCircuits {
  /** Whether commands for the key fail at once. */
  isOpen(key: Key): boolean;
  /** A command for the key was answered. */
  answered(key: Key): void;
  /** One was not. True: this has opened the circuit of its node. */
  failed(key: Key): boolean;
  /** Of each node that does not answer, a key of its own to ask it for. */
  probes(): readonly string[];
  /** A probe of this key was answered. */
  probed(key: string): void;
  /** Nodes that do not answer. */
  openNodes(): readonly string[];
}

/**
 * @param nodeOf names the node that has a key
 * @param nodes that there are now
 */
export function nodeCircuits(nodeOf: (key: string) => string, nodes: () => readonly string[]): NodeCircuits {
  /**
   * Of nodes that failed last: commands in a row, and the key of a probe. As many as there are nodes, and those that
   * were replaced while their circuits were open, until whoever has their slots now answers a probe.
   */
  const troubled = new Map<string, { readonly count: number; readonly probe: string }>();
  const isOpenNode = (node: string) => (troubled.get(node)?.count ?? 0) >= TROUBLES_UNTIL_OPEN;
  /** Nothing is sent to them any more, so nothing is answered. */
  const forgetReplaced = () => {
    const there = nodes();
    for (const node of troubled.keys()) if (!isOpenNode(node) && !there.includes(node)) troubled.delete(node);
  };
  const openNodes = () => [...troubled.keys()].filter(isOpenNode);
  return {
    isOpen: (key) => key !== null && troubled.size > 0 && isOpenNode(nodeOf(key)),
    answered(key) {
      if (key === null || troubled.size === 0) return;
      const node = nodeOf(key);
      // An open one waits for its probe: this may have been sent long ago.
      if (!isOpenNode(node)) troubled.delete(node);
    },
    failed(key) {
      if (key === null) return false;
      const node = nodeOf(key);
      if (isOpenNode(node)) return false;
      if (!troubled.has(node)) forgetReplaced();
      troubled.set(node, { count: (troubled.get(node)?.count ?? 0) + 1, probe: probeBeside(key) });
      return isOpenNode(node);
    },
    probes: () => openNodes().map((node) => troubled.get(node)!.probe),
    probed(key) {
      for (const [node, { probe }] of troubled) if (probe === key) troubled.delete(node);
    },
    openNodes,
  };
}

/** With the hash tag of the key, so that one node has both. */
function probeBeside(key: string): string {
  return `${/^[^}]*\}?/.exec(key)![0]}probe`;
}
