/**
 * The keyring: the master key, which wraps data keys, and the peppers, under which key digests are made.
 * They come from settings or from files minted at first start, and never lie in a database.
 */
import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { Random } from '../../commands/clock.ts';
import type { Peppers } from '../../commands/peppers.ts';
import { Secret } from '../../schemas/secret.ts';
import { readOrMint } from './secret-files.ts';

export interface MasterKey {
  /** Its check value: names the key in what it wrapped. */
  readonly id: string;
  readonly key: KeyObject;
}

/** What a key is derived for. Each gets bytes of its own. */
export type DerivedUse = 'request-digest' | 'cursor' | 'idempotency' | 'shared-cache' | 'flag-streams';

export interface Keyring {
  readonly master: MasterKey;
  readonly peppers: Peppers;
  /** By `master` and `pepper <version>`: tells two secrets apart, and gives neither away. */
  readonly checkValues: Readonly<Record<string, string>>;
  /** 32 bytes, from the oldest pepper: peppers stay, so what was derived stays, whatever is rotated. */
  derive(use: DerivedUse): Secret<Uint8Array>;
}

export interface KeyringOptions {
  /** 32 bytes as base64url, base64 or hexadecimal. Unset: `<dataDir>/secrets/master-key`. */
  readonly masterKey?: Secret<string>;
  /** `<version>:<32 bytes or more>`, several with commas or on lines. Unset: `<dataDir>/secrets/peppers`. */
  readonly peppers?: Secret<string>;
  readonly dataDir: string;
  readonly random: Random;
}

/** A secret that cannot be used. Its message says which and why, and never shows it. */
export class KeyringFault extends Error {
  override readonly name = 'KeyringFault';
}

const SECRET_BYTES = 32;

/** Throws `KeyringFault` for a secret that cannot be used, and the file system's error for a folder. */
export async function openKeyring(options: KeyringOptions): Promise<Keyring> {
  const folder = join(options.dataDir, 'secrets');
  const mint = (): string => Buffer.from(options.random.bytes(SECRET_BYTES)).toString('base64url');
  const masterText =
    options.masterKey?.reveal() ??
    (await readOrMint(folder, 'master-key', options.random, () => `${mint()}\n`));
  const peppersText =
    options.peppers?.reveal() ?? (await readOrMint(folder, 'peppers', options.random, () => `1:${mint()}\n`));
  return keyringOf(masterText, peppersText);
}

export function keyringOf(masterText: string, peppersText: string): Keyring {
  const master = secretBytes(masterText, 'The master key');
  if (master.length !== SECRET_BYTES) {
    throw new KeyringFault(`The master key has ${master.length} bytes; it needs ${SECRET_BYTES}.`);
  }
  const peppers = parsePeppers(peppersText);
  const versions = [...peppers.keys()].sort((a, b) => a - b);
  const oldest = peppers.get(versions[0]!)!;
  const checkValues: Record<string, string> = { master: checkValueOf(master, 'master') };
  for (const version of versions) {
    checkValues[`pepper ${version}`] = checkValueOf(peppers.get(version)!, `pepper ${version}`);
  }
  const secrets = new Map(versions.map((version) => [version, new Secret(peppers.get(version)!)]));
  return {
    master: { id: checkValues.master!, key: createSecretKey(master) },
    peppers: {
      current: versions.at(-1)!,
      versions,
      pepper: (version) => secrets.get(version),
    },
    checkValues,
    derive: (use) => new Secret(new Uint8Array(hkdfSync('sha256', oldest, '', `plinth ${use} v1`, 32))),
  };
}

/** Eight bytes of an HMAC over a constant: enough to tell secrets apart, nothing to find one by. */
function checkValueOf(secret: Uint8Array, name: string): string {
  return createHmac('sha256', secret).update(`plinth check value v1: ${name}`).digest('hex').slice(0, 16);
}

function parsePeppers(text: string): ReadonlyMap<number, Uint8Array> {
  const peppers = new Map<number, Uint8Array>();
  for (const part of text.split(/[\s,]+/)) {
    if (part === '') continue;
    const [, digits, secret] = /^([1-9][0-9]{0,5}):(.+)$/.exec(part) ?? [];
    if (digits === undefined || secret === undefined) {
      throw new KeyringFault('The peppers are not written as <version>:<secret>, with commas between them.');
    }
    const version = Number(digits);
    if (peppers.has(version)) throw new KeyringFault(`There are two peppers of version ${version}.`);
    const bytes = secretBytes(secret, `Pepper ${version}`);
    if (bytes.length < SECRET_BYTES) {
      throw new KeyringFault(
        `Pepper ${version} has ${bytes.length} bytes; it needs ${SECRET_BYTES} or more.`,
      );
    }
    peppers.set(version, bytes);
  }
  if (peppers.size === 0) throw new KeyringFault('There is no pepper.');
  return peppers;
}

/** Hexadecimal where it has the length of 32 bytes in it, else base64 in either alphabet. Strict: a typo must not decode. */
function secretBytes(text: string, what: string): Uint8Array {
  const trimmed = text.trim();
  if (/^[0-9a-fA-F]{64}$/.test(trimmed)) return Buffer.from(trimmed, 'hex');
  const unpadded = trimmed.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_');
  const bytes = Buffer.from(unpadded, 'base64url');
  if (unpadded === '' || bytes.toString('base64url') !== unpadded) {
    throw new KeyringFault(`${what} is neither base64 nor hexadecimal.`);
  }
  return bytes;
}
