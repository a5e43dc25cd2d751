import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** Built once for each list: a key's state is replaced, never changed. */
const built = new WeakMap<readonly string[], BlockList>();

/** Whether an address is one of the addresses or in one of the ranges. IPv4 in IPv6 counts as IPv4. */
export function ipMatches(allowed: readonly string[], ip: string): boolean {
  let list = built.get(allowed);
  if (list === undefined) {
    list = listOf(allowed);
    built.set(allowed, list);
  }
  const plain = unmapped(ip);
  if (isIPv4(plain)) return list.check(plain, 'ipv4');
  return isIPv6(plain) && list.check(plain, 'ipv6');
}

function listOf(allowed: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of allowed) {
    const [address, bits] = range.split('/') as [string, string | undefined];
    const family = address.includes(':') ? 'ipv6' : 'ipv4';
    if (bits === undefined)
      list.addAddress(unmapped(address), unmapped(address).includes(':') ? 'ipv6' : 'ipv4');
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

function unmapped(ip: string): string {
  const match = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip);
  return match ? match[1]! : ip;
}
