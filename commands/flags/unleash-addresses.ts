/** Addresses and networks as texts that an address is compared with: rules here know no networks. */

export interface Addresses {
  readonly exact: readonly string[];
  /** What every address of a network begins with. */
  readonly prefixes: readonly string[];
  /** RE2 for networks that end within a part. */
  readonly patterns: readonly string[];
  /** IPv6 networks: one address can be written in many ways. What is no address is passed over. */
  readonly unknown: readonly string[];
}

const OCTET = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = new RegExp(`^${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}$`);
const IPV6 = /^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*$/;

export function addressesWithin(values: readonly string[]): Addresses {
  const found = {
    exact: [] as string[],
    prefixes: [] as string[],
    patterns: [] as string[],
    unknown: [] as string[],
  };
  for (const value of values) {
    const [address = '', bits, ...others] = value.trim().split('/');
    const octets = IPV4.exec(address)?.slice(1).map(Number);
    if (others.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) continue;
    if (octets) within(octets, bits === undefined ? 32 : Number(bits), found);
    else if (IPV6.test(address))
      (bits === undefined || bits === '128' ? found.exact : found.unknown).push(
        address + (bits && bits !== '128' ? `/${bits}` : ''),
      );
  }
  return found;
}

function within(
  octets: readonly number[],
  bits: number,
  found: { exact: string[]; prefixes: string[]; patterns: string[] },
): void {
  if (bits > 32) return;
  if (bits === 32) return void found.exact.push(octets.join('.'));
  const whole = Math.floor(bits / 8);
  const before = octets
    .slice(0, whole)
    .map((octet) => `${octet}.`)
    .join('');
  if (bits % 8 === 0) return void found.prefixes.push(before);
  const size = 2 ** (8 - (bits % 8));
  const first = Math.floor(octets[whole]! / size) * size;
  const alternatives = Array.from({ length: size }, (_, n) => first + n).join('|');
  found.patterns.push(`^${before.replaceAll('.', '\\.')}(${alternatives})${whole === 3 ? '$' : '\\.'}`);
}
