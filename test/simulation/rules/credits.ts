/**
 * Credits: several processes spend from blocks that they lease, lose replies, crash and stop, while an
 * administrator sets the balance anew and refills fall due.
 */
import assert from 'node:assert/strict';
import { CreditBlocks, type CreditLeases, type Leased } from '../../../api/verify/credit-blocks.ts';
import type { EventLog } from '../../../commands/event-log.ts';
import { creditLeases } from '../../../commands/keys/credit-leases.ts';
import { dueRefill, nextRefillAtMs } from '../../../commands/keys/due-refill.ts';
import type { KeyDeps } from '../../../commands/keys/key-command.ts';
import type { KeyState } from '../../../commands/keys/key-state.ts';
import { setCredits } from '../../../commands/keys/set-credits.ts';
import { systemContext } from '../../../commands/system-context.ts';
import { FRESH_MS } from '../../../projections/fresh.ts';
import { PlinthError } from '../../../schemas/errors.ts';
import type { Credits } from '../../../schemas/values.ts';
import { type MemoryEventLog, memoryEventLog } from '../../engines/memory-event-log.ts';
import { creditsTwins } from '../credits-twins.ts';
import {
  type CreditsGuards,
  type CreditsLife,
  keyFacts,
  outstanding,
  periodsOf,
  REFILL_SECONDS,
  statesOf,
} from '../credits-world.ts';
import { plainCodec } from '../plain-codec.ts';
import { replacing } from '../replacing.ts';
import { defineRule } from '../rule.ts';
import type { Process, Scheduler } from '../scheduler.ts';
import { issue, peppers, TENANT } from '../verify-world.ts';

interface Spend {
  readonly keyId: string;
  readonly units: number;
  readonly writer: string;
  /** Version since which the balance counts that the block came from, and that the spender knew of. */
  readonly blockSince: number;
  readonly factsSince: number;
}

/** "Exhausted", said of this state to whoever asked then. */
interface Word {
  readonly state: KeyState;
  readonly askedMs: number;
  readonly toldMs: number;
}

interface World {
  readonly scheduler: Scheduler;
  readonly log: MemoryEventLog;
  readonly guards: CreditsGuards;
  readonly keyIds: readonly string[];
  readonly spends: Set<Spend>;
  /** Writers that stopped in order, with every answer to their commands received. */
  readonly orderly: Set<string>;
}

/** The verifier asks for an exhausted key's due refill this often. */
const ASK_EVERY_MS = 250;

async function play(scheduler: Scheduler, guards: CreditsGuards): Promise<void> {
  const log = memoryEventLog({ clock: scheduler.clock });
  const count = scheduler.chance(0.2) ? 2 : 1;
  const keyIds: string[] = [];
  for (let i = 0; i < count; i++) {
    const { keyId } = await issue(log, scheduler, i, { credits: someCredits(scheduler) });
    keyIds.push(keyId);
  }
  const world: World = { scheduler, log, guards, keyIds, spends: new Set(), orderly: new Set() };
  const names = ['api1', 'api2', 'api3'].slice(0, 2 + scheduler.below(2));
  await Promise.all([...names.map((name) => serve(world, name)), administer(world)]);
  for (const keyId of keyIds) {
    check(world, keyId);
    await drain(world, keyId);
    check(world, keyId);
  }
}

function someCredits(scheduler: Scheduler): Credits {
  const refill = { amount: 1 + scheduler.below(4), everySeconds: REFILL_SECONDS };
  return {
    remaining: scheduler.pick([1, 3, 5, 400]),
    refill: scheduler.chance(0.4) ? refill : null,
  };
}

/** Sets the balance anew, with the same command until it is answered. */
async function administer({ scheduler, log, keyIds }: World): Promise<void> {
  for (let i = scheduler.below(3); i > 0; i--) {
    await scheduler.clock.sleep(scheduler.below(2500));
    const credits = scheduler.chance(0.1) ? null : someCredits(scheduler);
    const context = systemContext('admin', TENANT, ['set', String(i)]);
    const input = { keyId: scheduler.pick(keyIds), credits };
    for (let life = 0; ; life++) {
      assert.ok(life < 20, 'a balance could not be set in 20 lives');
      const deps = depsOf(scheduler.process(`admin.${life}`), log, scheduler);
      const answer = await setCredits(deps, context, { permissions: [] }, input).catch(() => null);
      if (answer?.kind === 'accepted') break;
    }
  }
}

function depsOf(process: Process, log: MemoryEventLog, scheduler: Scheduler): KeyDeps {
  const lossy = replacing(log as EventLog, {
    async append(...args) {
      const answer = await log.append(...args);
      if (scheduler.chance(0.1)) throw new Error('reply lost');
      return answer;
    },
  });
  return {
    log: process.wrap(lossy, 'log'),
    codec: plainCodec,
    clock: process.clock,
    random: process.random,
    peppers,
  };
}

/** One process after another under one name, each spending until it dies or stops. */
async function serve(world: World, name: string): Promise<void> {
  const { scheduler } = world;
  const outside = new Map<string, Leased>();
  const lives = 1 + scheduler.below(2);
  for (let life = 1; life <= lives; life++) {
    const process = scheduler.process(`${name}.${life}`, scheduler.below(401) - 200);
    const dies = scheduler.chance(0.3);
    let died: () => void = () => {};
    const death = new Promise<void>((resolve) => {
      died = resolve;
    });
    if (dies)
      void scheduler.clock.sleep(scheduler.below(2500)).then(() => {
        process.kill();
        died();
      });
    await Promise.race([spendAWhile(world, process, outside), death]);
  }
}

async function spendAWhile(world: World, process: Process, outside: CreditsLife['outside']): Promise<void> {
  const { scheduler, log, keyIds } = world;
  const deps = depsOf(process, log, scheduler);
  let orderly = keyIds.length === 1;
  /** Per key: the version of the latest lease's outcome, which names the balance of the block that is held. */
  const leasedAt = new Map<string, KeyState>();
  /** Per key: what the decider said last when it said "exhausted". */
  const words = new Map<string, Word>();
  const inner = world.guards.leases(creditLeases(deps, process.name), { process, deps, outside });
  const leases: CreditLeases = {
    async lease(...args) {
      try {
        const askedMs = process.clock.now();
        const leased = await inner.lease(...args);
        const state = statesOf(keyFacts(log, args[1]))[leased.key.version]!;
        // "Exhausted" leaves the block that is held as it was.
        if (leased.kind === 'leased' || state.credits === null) leasedAt.set(args[1], state);
        else words.set(args[1], { state, askedMs, toldMs: process.clock.now() });
        return leased;
      } catch (error) {
        orderly = false;
        throw error;
      }
    },
    giveBack: (...args) => inner.giveBack(...args),
  };
  const blocks = new CreditBlocks({ leases, clock: process.clock, maxBlocks: 1 + scheduler.below(2) });
  const cached = new Map<string, { readonly key: KeyState; readonly atMs: number }>();

  const once = async () => {
    const keyId = scheduler.pick(keyIds);
    const nowMs = scheduler.now();
    let facts = cached.get(keyId);
    if (!facts || facts.atMs < nowMs - FRESH_MS || scheduler.chance(0.4)) {
      facts = { key: statesOf(keyFacts(log, keyId)).at(-1)!, atMs: nowMs };
      cached.set(keyId, facts);
    }
    const { key } = facts;
    if (key.credits === null) return;
    const units = scheduler.pick([1, 1, 2, 5]);
    const askedMs = process.clock.now();
    if (scheduler.chance(0.15)) {
      await blocks.peek(key, units).catch(refused);
      return;
    }
    try {
      const spent = await blocks.spend(key, units);
      if (!spent.ok) {
        assertExhausted(words.get(keyId), key, askedMs);
        return;
      }
      const blockSince = leasedAt.get(keyId)!.credits?.sinceVersion;
      // Needs none any more: told so by the decider, it spent nothing.
      if (blockSince === undefined) return;
      const factsSince = key.credits.sinceVersion;
      const spend: Spend = { keyId, units, writer: process.name, blockSince, factsSince };
      scheduler.note(`${process.name} spends ${units} of ${blockSince}`);
      world.spends.add(spend);
      if (!scheduler.chance(0.15)) return;
      await process.turn('judged anew');
      spent.undo();
      world.spends.delete(spend);
      scheduler.note(`${process.name} undoes ${units}`);
    } catch (error) {
      refused(error);
    }
  };
  for (let calls = 2 + scheduler.below(5); calls > 0; calls--) {
    if (scheduler.chance(0.6)) await process.clock.sleep(scheduler.below(900));
    await (scheduler.chance(0.3) ? Promise.all([once(), once()]) : once());
  }
  scheduler.note(`${process.name} stops`);
  if ((await blocks.close()) === 0 && orderly) world.orderly.add(process.name);
}

/** A denial is the decider's word: of what the process knew or later, and asked for again when a refill is due. */
function assertExhausted(word: Word | undefined, key: KeyState, askedMs: number): void {
  const message = 'a key was called exhausted while credits of it were left';
  assert.ok(word && word.state.version >= key.version, message);
  const { credits } = word.state;
  assert.equal(credits?.remaining, 0, message);
  assert.equal(dueRefill(credits, word.askedMs), null, message);
  const dueMs = nextRefillAtMs(credits) ?? Number.POSITIVE_INFINITY;
  assert.ok(word.toldMs >= askedMs || askedMs <= Math.max(dueMs, word.toldMs + ASK_EVERY_MS), message);
}

function refused(error: unknown): void {
  const code = error instanceof PlinthError ? error.rejection.code : null;
  assert.ok(code === 'unavailable' || code === 'verify_stale' || code === 'overloaded', String(error));
}

function check({ log, spends, orderly }: World, keyId: string): void {
  const facts = keyFacts(log, keyId);
  const periods = periodsOf(facts);
  const own = [...spends].filter((spend) => spend.keyId === keyId);
  for (const { sinceVersion, granted } of periods) {
    const ofIt = total(own.filter((spend) => spend.blockSince === sinceVersion));
    assert.ok(ofIt <= granted, `${ofIt} units were spent of a balance that granted ${granted}`);
    const grantedSince = periods
      .filter((period) => period.sinceVersion >= sinceVersion)
      .reduce((sum, period) => sum + period.granted, 0);
    const since = total(own.filter((spend) => spend.factsSince >= sinceVersion));
    assert.ok(
      since <= grantedSince,
      `${since} units were spent knowing of a balance, ${grantedSince} granted since`,
    );
  }
  const last = periods.at(-1)!.sinceVersion;
  for (const [writer, units] of outstanding(facts, last)) {
    if (!orderly.has(writer)) continue;
    const spent = total(own.filter((spend) => spend.writer === writer && spend.blockSince === last));
    assert.equal(units, spent, `${writer} stopped in order: what it leased it spent or gave back`);
  }
}

function total(spends: readonly Spend[]): number {
  return spends.reduce((sum, spend) => sum + spend.units, 0);
}

/** When all have stopped, whoever comes next can spend exactly what the log says is left. */
async function drain({ scheduler, log, spends }: World, keyId: string): Promise<void> {
  const key = statesOf(keyFacts(log, keyId)).at(-1)!;
  if (key.credits === null || key.credits.remaining > 20) return;
  const { clock } = scheduler;
  const deps: KeyDeps = { log, codec: plainCodec, clock, random: scheduler.bytes, peppers };
  const blocks = new CreditBlocks({ leases: creditLeases(deps, 'heir'), clock, maxBlocks: 1 });
  let spent = 0;
  while ((await blocks.spend(key, 1)).ok) spent += 1;
  const facts = keyFacts(log, keyId);
  const refilled = facts.slice(key.version).find((fact) => fact.type === 'key.credits-refilled');
  const balance = refilled ? key.credits.refill!.amount : key.credits.remaining;
  assert.equal(spent, balance, 'the units that were left could not be spent');
  const blockSince = statesOf(facts).at(-1)!.credits!.sinceVersion;
  spends.add({ keyId, units: spent, writer: 'heir', blockSince, factsSince: key.credits.sinceVersion });
}

export const creditsRule = defineRule<CreditsGuards>({
  name: 'credits',
  says: 'no more units are spent than a balance granted, none denied while one is left, none lost without a crash',
  guards: { leases: (leases) => leases },
  play,
  twins: creditsTwins,
});
