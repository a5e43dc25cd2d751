/** The document of this version. Run this file to write `docs/asyncapi.json`. */
import { writeFileSync } from 'node:fs';
import { VERSION } from '../platform/version.ts';
import { asyncApiDocument } from './document.ts';

export const COMMITTED = new URL('../../docs/asyncapi.json', import.meta.url);

/** As it is committed: readable, with a newline at the end. */
export function documentText(): string {
  return `${JSON.stringify(asyncApiDocument(VERSION), null, 2)}\n`;
}

if (import.meta.main) writeFileSync(COMMITTED, documentText());
