/** Where the tables of a projection's revision are: a schema of their own, so that a revision goes whole. */
import type { Tables } from '../../projections/projection.ts';

/** NOTIFY on it, with the projection's name, follows every commit of a runner. */
export const PROJECTIONS_CHANNEL = 'plinth_projections';

const NAME = /^[a-z][a-z0-9_]{0,39}$/;

export function revisionSchema(projection: string, revision: number): string {
  if (!NAME.test(projection) || !Number.isSafeInteger(revision)) {
    throw new Error(`${projection} is no name for a projection: use 1 to 40 of a-z, 0-9 and "_"`);
  }
  return `"rm_${projection}_${revision}"`;
}

export function revisionTables(projection: string, revision: number): Tables {
  const schema = revisionSchema(projection, revision);
  return (table) => {
    if (!NAME.test(table)) throw new Error(`${table} is no name for a table`);
    return `${schema}."${table}"`;
  };
}
