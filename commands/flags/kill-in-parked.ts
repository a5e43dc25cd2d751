/**
 * Kills a flag of an environment in which an event cannot be read. No other command goes on from there, for it
 * would be decided on a state that is not known; a kill needs to know no more than that there is the flag.
 */
import type { PublicDecoded, Recorded } from '../../schemas/envelope.ts';
import type { EnvironmentEvent } from '../../schemas/events/flags.ts';
import { type Codec, UndecodableEvent } from '../codec.ts';
import type { Decision, Fact } from '../decider.ts';
import { type CommandContext, execute, type Outcome } from '../execute.ts';
import { HotFolds } from '../hot-folds.ts';
import { envelopeOf } from '../projections/request-on-parked.ts';
import { environmentStream } from '../streams.ts';
import { flagIn, type InEnvironment } from './environment-command.ts';
import { type EnvironmentState, evolveEnvironment, noEnvironment } from './environment-state.ts';
import type { KillCommand } from './kill-flag.ts';
import type { FlagDeps } from './project-command.ts';

/** No event's type: they all have a dot. */
const UNREADABLE = 'unreadable';

/**
 * The state of the outcome is what the events that can be read say. Null: none of them adds the flag, which
 * says nothing, for one that cannot be read may.
 */
export async function killInParked(
  deps: FlagDeps,
  context: CommandContext,
  { project, environment, ...command }: KillCommand & InEnvironment,
): Promise<Outcome<EnvironmentState> | null> {
  const outcome = await execute<EnvironmentState, KillCommand, EnvironmentEvent>(
    { ...deps, codec: envelopesWhereUnreadable(deps.codec) },
    {
      decider: { initial: noEnvironment, evolve: evolveReadable, decide },
      stream: environmentStream(context.tenant, project, environment),
      // Its own: what others find kept must be whole.
      hot: new HotFolds(),
      context,
      ownOnly: true,
      command: () => command,
    },
  );
  return outcome.kind === 'rejected' && outcome.rejection.code === 'not_found' ? null : outcome;
}

/** An archived flag is killed too: one that is brought back by what cannot be read must not answer again. */
function decide(command: KillCommand, environment: EnvironmentState): Decision<EnvironmentEvent> {
  const flag = flagIn(environment, command.flag);
  if ('reject' in flag) return flag;
  if (flag.settings.mode === 'killed') return { accept: [] };
  return { accept: [{ type: 'flag.killed', data: { flag: flag.key, reason: command.reason } }] };
}

/** What cannot be read may have brought back any flag: none counts as killed until it is killed again. */
function evolveReadable(state: EnvironmentState, event: Fact<EnvironmentEvent>): EnvironmentState {
  if ((event.type as string) !== UNREADABLE) return evolveEnvironment(state, event as never);
  const flags = state.flags.map((flag) =>
    flag.settings.mode === 'killed' ? { ...flag, settings: { ...flag.settings, mode: 'on' as const } } : flag,
  );
  return { ...state, version: event.version, flags };
}

/** Its place and its command are known of any event; that a newer release wrote it makes no difference here. */
function envelopesWhereUnreadable(codec: Codec): Codec {
  return {
    encode: (events) => codec.encode(events),
    decode: (events) => codec.decode(events),
    decodePublic(event: Recorded): PublicDecoded {
      try {
        return codec.decodePublic(event);
      } catch (error) {
        if (!(error instanceof UndecodableEvent)) throw error;
        return { ...envelopeOf(event), type: UNREADABLE, erased: null, lost: null };
      }
    },
  };
}
