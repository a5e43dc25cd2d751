/** From what was read and compiled of an environment to what is served of it. */
import type { CompiledEnvironment, EnvironmentChanges } from '../../commands/flags/compile-environment.ts';
import type { ParkedKills } from '../../commands/flags/parked-kills.ts';
import type { ServedRows } from '../../projections/flags/served-rows.ts';
import type { StreamId, TenantId } from '../../schemas/envelope.ts';
import type { ServedEnvironment, ServedFlag } from './served-environment.ts';

/** The change that the kills make of the flags that are there. */
export function killed({ flags }: CompiledEnvironment, kills: ParkedKills): EnvironmentChanges {
  const stopped = [...kills.flags].flatMap((key) => flags.get(key) ?? []);
  return {
    flags: stopped.map((flag) => ({ ...flag, settings: { ...flag.settings, mode: 'killed' as const } })),
    segments: [],
  };
}

export function areSame(a: ParkedKills | null, b: ParkedKills | null): boolean {
  return a?.parkedAt === b?.parkedAt && a?.position === b?.position;
}

/** @param kills that are in `compiled` already */
export function servedOf(
  stream: StreamId,
  rows: ServedRows,
  compiled: CompiledEnvironment,
  kills: ParkedKills | null,
): ServedEnvironment {
  const flags = new Map<string, ServedFlag>();
  let readsClock = false;
  for (const [key, { clientVisible, type }] of compiled.flags) {
    const program = compiled.programs.get(key)!;
    readsClock ||= program.readsClock;
    flags.set(key, { key, clientVisible, type, program });
  }
  const { tenant, project, environment } = rows;
  const position = kills && kills.position > rows.position ? kills.position : rows.position;
  return {
    tenant: tenant as TenantId,
    ...{ project, environment, stream, position, flags, contents: compiled },
    ...{ readsClock, isPartOfPosition: kills !== null },
  };
}
