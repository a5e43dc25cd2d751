/** The Dockerfile as the tests look at it, and what of the project gets into a build. */
import { readFileSync } from 'node:fs';
import { matchesGlob } from 'node:path';

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

export interface Stage {
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

const root = new URL('../../', import.meta.url);

export function readStages(): readonly Stage[] {
  const lines = readFileSync(new URL('Dockerfile', root), 'utf8')
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const stages: { base: string; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const [, name, text] = /^([A-Z]+)\s+(.*)$/.exec(line)!;
    if (name === 'FROM') stages.push({ base: text!.split(' ')[0]!, instructions: [] });
    else stages.at(-1)!.instructions.push({ name: name!, text: text! });
  }
  return stages;
}

/** What a stage copies out of the project, and where to. */
export function copiesOf({ instructions }: Stage): readonly { readonly from: string; readonly to: string }[] {
  return instructions
    .filter(({ name, text }) => name === 'COPY' && !text.startsWith('--from='))
    .flatMap(({ text }) => {
      const words = text.split(/\s+/);
      const to = words.pop()!;
      return words.map((from) => ({ from, to }));
    });
}

export function environmentOf({ instructions }: Stage): Readonly<Record<string, string>> {
  const pairs = instructions.filter(({ name }) => name === 'ENV').flatMap(({ text }) => text.split(/\s+/));
  return Object.fromEntries(pairs.map((pair) => pair.split('=', 2) as [string, string]));
}

/** Whether `.dockerignore` lets the path into a build: the last line that matches it, or a folder above it, decides. */
export function isInBuild(path: string): boolean {
  const lines = readFileSync(new URL('.dockerignore', root), 'utf8').split('\n');
  let inBuild = true;
  for (const line of lines.filter((text) => text !== '' && !text.startsWith('#'))) {
    const kept = line.startsWith('!');
    const pattern = kept ? line.slice(1) : line;
    const steps = path.split('/');
    const prefixes = steps.map((_, at) => steps.slice(0, at + 1).join('/'));
    // Docker's star takes names that begin with a dot, Node's does not.
    if (pattern === '*' || prefixes.some((prefix) => matchesGlob(prefix, pattern))) inBuild = kept;
  }
  return inBuild;
}
