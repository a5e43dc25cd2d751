/** What the routes of flags share: their paths, who may call them, what they read. */
import { z } from 'zod';
import type { InEnvironment } from '../../commands/flags/environment-command.ts';
import type { Tables, Tx } from '../../projections/projection.ts';
import type { Position } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { flagKeySchema, segmentKeySchema } from '../../schemas/flag-values.ts';
import { slugSchema } from '../../schemas/values.ts';
import { MAX_READ_WAIT_MS } from '../plugins/position.ts';
import type { Services } from '../services.ts';

const project = slugSchema.meta({ description: 'Key of the project.', examples: ['shop'] });
const environment = slugSchema.meta({ description: 'Key of the environment.', examples: ['production'] });
const flag = flagKeySchema.meta({ description: 'Key of the flag.', examples: ['new-checkout'] });
const segment = segmentKeySchema.meta({ description: 'Key of the segment.', examples: ['staff'] });

export const projectParams = z.strictObject({ project });
export const environmentParams = z.strictObject({ project, environment });
export const flagParams = z.strictObject({ project, flag });
export const flagInEnvironmentParams = z.strictObject({ project, environment, flag });
export const segmentParams = z.strictObject({ project, environment, segment });

export const PROJECTS = '/v1/projects';
export const PROJECT = `${PROJECTS}/{project}`;
export const ENVIRONMENTS = `${PROJECT}/environments`;
export const ENVIRONMENT = `${ENVIRONMENTS}/{environment}`;
export const FLAGS = `${PROJECT}/flags`;
export const FLAG = `${FLAGS}/{flag}`;
export const ENVIRONMENT_FLAGS = `${ENVIRONMENT}/flags`;
export const FLAG_IN_ENVIRONMENT = `${ENVIRONMENT_FLAGS}/{flag}`;
export const SEGMENTS = `${ENVIRONMENT}/segments`;

export const readsFlags = {
  tag: 'Flags',
  access: { permission: 'flags:read' },
  readsYourWrites: true,
} as const;
export const writesFlags = { tag: 'Flags', access: { permission: 'flags:write' }, idempotent: true } as const;
export const writesProjects = {
  tag: 'Projects',
  access: { permission: 'projects:write' },
  idempotent: true,
} as const;

/** Reads in one snapshot: the flags, and what people call them. */
export function readFlags<R>(
  { readModels }: Pick<Services, 'readModels'>,
  { atLeast }: { readonly atLeast: Position | undefined },
  query: (tx: Tx, flags: Tables, texts: Tables) => Promise<R>,
) {
  const options = {
    waitMs: MAX_READ_WAIT_MS,
    also: ['flag_texts'],
    ...(atLeast === undefined ? {} : { atLeast }),
  };
  return readModels.read('flags', options, (tx, flags, _, tablesOf) =>
    query(tx, flags, tablesOf('flag_texts')),
  );
}

export function noSuch(what: 'project' | 'environment' | 'flag' | 'segment' | 'change request'): PlinthError {
  return new PlinthError('not_found', `There is no such ${what}.`);
}

export function inEnvironment({ project, environment }: InEnvironment): InEnvironment {
  return { project, environment };
}

/** `If-Match` names the flag's revision. */
export function ifRevisionOf({ ifVersion }: { readonly ifVersion: number | undefined }) {
  return ifVersion === undefined ? {} : { ifRevision: ifVersion };
}
