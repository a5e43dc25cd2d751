/**
 * A backup file: one JSON value a line. The first is the header; the last counts the lines between and
 * carries the SHA-256 of every byte before it, so that a file cut short or changed is noticed.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';

const CHUNK_BYTES = 1024 * 1024;
const FORMAT_VERSION = 1;

export type BackupKind = 'plinth-log' | 'plinth-keys';

/** The file is there whole, and on disk, or not at all. Mode 0600. Answers the number of lines. */
export async function writeBackup(
  path: string,
  kind: BackupKind,
  header: Readonly<Record<string, unknown>>,
  lines: AsyncIterable<unknown>,
): Promise<number> {
  const temporary = `${path}.part`;
  const file = await open(temporary, 'w', 0o600);
  try {
    const hash = createHash('sha256');
    let chunk = `${JSON.stringify({ kind, formatVersion: FORMAT_VERSION, ...header })}\n`;
    let count = 0;
    const flush = async () => {
      hash.update(chunk);
      await file.writeFile(chunk);
      chunk = '';
    };
    for await (const line of lines) {
      chunk += `${JSON.stringify(line)}\n`;
      count += 1;
      if (chunk.length >= CHUNK_BYTES) await flush();
    }
    await flush();
    await file.writeFile(`${JSON.stringify({ lines: count, sha256: hash.digest('hex') })}\n`);
    await file.sync();
    await file.close();
    await rename(temporary, path);
    return count;
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}

export class DamagedBackup extends Error {
  override readonly name = 'DamagedBackup';
}

/** Reads only the first line. */
export async function readBackupHeader<Header>(path: string, kind: BackupKind): Promise<Header> {
  for await (const line of linesOf(path)) return headerOf(line, path, kind) as Header;
  throw new DamagedBackup(`${path} is empty`);
}

/** The lines between header and end. Throws `DamagedBackup` at the latest after the last of them. */
export async function* readBackup<Line>(path: string, kind: BackupKind): AsyncGenerator<Line> {
  const hash = createHash('sha256');
  let number = 0;
  let held: string | null = null;
  for await (const line of linesOf(path)) {
    if (held !== null) {
      if (number === 1) headerOf(held, path, kind);
      else yield parse(held, path, number) as Line;
      hash.update(held).update('\n');
    }
    held = line;
    number += 1;
  }
  const end = (number > 1 && held !== null ? parse(held, path, number) : null) as {
    lines?: number;
    sha256?: string;
  } | null;
  if (end?.sha256 === undefined) throw new DamagedBackup(`${path} ends early: its last line is missing`);
  if (end.lines !== number - 2 || end.sha256 !== hash.digest('hex')) {
    throw new DamagedBackup(`${path} is not as it was written: its digest differs`);
  }
}

/** By `\n` alone: `readline` also breaks at U+2028, which JSON leaves as it is. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: CHUNK_BYTES })) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== '') yield rest;
}

function headerOf(line: string, path: string, kind: BackupKind): unknown {
  const header = parse(line, path, 1) as { kind?: unknown; formatVersion?: unknown };
  if (header?.kind !== kind) throw new DamagedBackup(`${path} is no ${kind} backup`);
  if (header.formatVersion !== FORMAT_VERSION) {
    throw new DamagedBackup(`${path} was written by a newer release (format ${header.formatVersion})`);
  }
  return header;
}

function parse(line: string, path: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new DamagedBackup(`${path} line ${number} cannot be read`, { cause });
  }
}
