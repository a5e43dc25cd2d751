/**
 * Key store and erasure: processes write and read what is personal to one subject, who is erased
 * meanwhile by a process that crashes and tries again, and the key store is put back to an earlier copy.
 */
import assert from 'node:assert/strict';
import { eraseSubject } from '../../../commands/subjects/erase-subject.ts';
import { systemContext } from '../../../commands/system-context.ts';
import { type Position, START } from '../../../schemas/envelope.ts';
import { runErasureFollower } from '../../../workers/erasure-follower.ts';
import { memoryKeyStore } from '../../engines/memory-data-keys.ts';
import { memoryEventLog } from '../../engines/memory-event-log.ts';
import { erasureTwins } from '../erasure-twins.ts';
import {
  depsOf,
  type ErasureGuards,
  type ErasureLife,
  type ErasureWorld,
  erasureGuards,
  erasuresIn,
  expected,
  keyOf,
  notesIn,
  read,
  SUBJECT,
  write,
} from '../erasure-world.ts';
import { eventually } from '../projection-world.ts';
import { defineRule } from '../rule.ts';
import type { Scheduler } from '../scheduler.ts';
import { TENANT } from '../verify-world.ts';

async function play(scheduler: Scheduler, guards: ErasureGuards): Promise<void> {
  const world: ErasureWorld = {
    scheduler,
    guards,
    log: memoryEventLog({ clock: scheduler.clock }),
    store: memoryKeyStore(),
    appendedMs: new Map(),
    vanished: new Set(),
    notes: new Map(),
    outside: { bookmark: null },
    lives: new Set(),
    closings: 0,
  };
  const ending = new AbortController();
  const running = ['p1', 'p2', 'p3'].slice(0, 2 + scheduler.below(2)).map((name) => {
    return serve(world, name, ending.signal);
  });
  await Promise.race([disturb(world), ...running]);
  ending.abort();
  await Promise.all(running);
  await settle(world);
}

/** The erasures, and what the operator does to the store. Never two of them at a time. */
async function disturb(world: ErasureWorld): Promise<void> {
  const { scheduler, store } = world;
  let putBack: (() => void) | null = null;
  for (let i = scheduler.chance(0.4) ? 1 : 0; i >= 0; i--) {
    if (scheduler.chance(0.3)) putBack ??= store.copy();
    await scheduler.clock.sleep(scheduler.below(2500));
    if (scheduler.chance(0.3)) putBack ??= store.copy();
    await erase(world, `request ${i}`);
    if (putBack === null || !scheduler.chance(0.6)) continue;
    await scheduler.clock.sleep(scheduler.below(1500));
    await everyFollowerPassed(world);
    const before = store.wrappedKeys().map(({ keyId }) => keyId);
    putBack();
    const after = new Set(store.wrappedKeys().map(({ keyId }) => keyId));
    for (const keyId of before) if (!after.has(keyId)) world.vanished.add(keyId);
    scheduler.note('the key store is put back to an earlier copy');
  }
  await scheduler.clock.sleep(scheduler.pick([1000, 3000, 6500]));
}

/** By one process after another until one is answered. */
async function erase(world: ErasureWorld, request: string): Promise<void> {
  const { scheduler, guards } = world;
  const context = systemContext('erase', TENANT, [SUBJECT, request]);
  for (let life = 0; ; life++) {
    assert.ok(life < 20, 'an erasure was not finished in 20 lives');
    const process = scheduler.process(`eraser.${life}`);
    const deps = depsOf(world, process);
    const work = eraseSubject({ ...deps, clock: guards.clock(process.clock) }, context, { subject: SUBJECT });
    const answer = work.catch(expected);
    if (!scheduler.chance(0.3)) {
      if ((await answer)?.kind === 'accepted') return;
      continue;
    }
    const death = scheduler.clock.sleep(scheduler.below(7000)).then(() => 'died' as const);
    const first = await Promise.race([answer, death]);
    if (first !== 'died' && first?.kind === 'accepted') return;
    if (first === 'died') process.kill();
  }
}

function everyFollowerPassed(world: ErasureWorld): Promise<void> {
  const last = erasuresIn(world.log).at(-1)?.position ?? START;
  const passed = () => [...world.lives].every((life) => life.passed !== null && life.passed >= last);
  return eventually(world.scheduler, passed, 'an erasure was not followed');
}

/** One life after another, each writing and reading until it dies or all is over. */
async function serve(world: ErasureWorld, name: string, ending: AbortSignal): Promise<void> {
  const { scheduler } = world;
  for (let life = 0; !ending.aborted; life++) {
    const process = scheduler.process(`${name}.${life}`, scheduler.below(2001) - 1000);
    const self: ErasureLife = { process, deps: depsOf(world, process), passed: null };
    world.lives.add(self);
    const diesAfterMs = scheduler.chance(0.3) ? scheduler.below(8000) : null;
    const death = new Promise<void>((resolve) => {
      if (diesAfterMs === null) return;
      void scheduler.clock.sleep(diesAfterMs).then(() => {
        process.kill();
        resolve();
      });
    });
    await Promise.race([live(world, self, ending), death]);
    world.lives.delete(self);
    if (ending.aborted) process.kill();
  }
}

async function live(world: ErasureWorld, self: ErasureLife, ending: AbortSignal): Promise<void> {
  const { scheduler, log } = world;
  const { process } = self;
  await startUp(world, self);
  while (!ending.aborted) {
    await process.clock.sleep(scheduler.below(1800));
    if (ending.aborted) return;
    const notes = notesIn(log);
    if (notes.length < 12 && scheduler.chance(0.4)) await write(world, self);
    else if (notes.length > 0) await read(world, self, scheduler.pick(notes));
  }
}

/** As a process starts: it carries out what the log holds before it reads or writes, and follows it from then on. */
async function startUp({ guards, log }: ErasureWorld, self: ErasureLife): Promise<void> {
  const { deps, process } = self;
  const never = new AbortController().signal;
  const head: Position = log.events.at(-1)?.position ?? START;
  for (let attempt = 0; ; attempt++) {
    try {
      await guards.catchUp(deps, never);
      break;
    } catch (error) {
      expected(error);
      assert.ok(attempt < 20, 'the erasures were not caught up with');
      await process.clock.sleep(100);
    }
  }
  self.passed = head;
  void runErasureFollower(deps, {
    signal: never,
    changed(health) {
      if (health.state !== 'running' || health.position <= (self.passed ?? START)) return;
      self.passed = health.position as Position;
    },
  });
}

/** When all is quiet, every note is what its key's fate makes it, for whoever starts now. */
async function settle(world: ErasureWorld): Promise<void> {
  const { scheduler, log, vanished } = world;
  const process = scheduler.process('heir');
  const heir: ErasureLife = { process, deps: depsOf(world, process), passed: null };
  await startUp(world, heir);
  const erasures = erasuresIn(log);
  for (const note of notesIn(log)) {
    const keyId = keyOf(note);
    const erased = erasures.some(
      ({ keyIds, position }) => keyIds.includes(keyId) && position > note.position,
    );
    const found = await read(world, heir, note);
    if (erased) assert.equal(found, 'erased', 'what was erased');
    else if (!vanished.has(keyId)) assert.equal(found, 'read', 'what was not erased');
  }
  // A key for each time that they were closed, and the first.
  const keys = new Set(notesIn(log).map(keyOf));
  if (vanished.size === 0) assert.ok(keys.size <= 1 + world.closings, `${keys.size} keys were active`);
}

export const erasureRule = defineRule<ErasureGuards>({
  name: 'erasure',
  says: 'what is personal reads as it was written until its erasure, and never after; nothing is lost that was not',
  guards: erasureGuards,
  play,
  twins: erasureTwins,
});
