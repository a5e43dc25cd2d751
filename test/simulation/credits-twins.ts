/** The safeguards of credits, each taken out: the rule must notice. */
import type { CreditLeases } from '../../api/verify/credit-blocks.ts';
import type { Decision } from '../../commands/decider.ts';
import { uuidv5 } from '../../commands/ids.ts';
import { creditLeases } from '../../commands/keys/credit-leases.ts';
import { dueRefill, nextRefillAtMs } from '../../commands/keys/due-refill.ts';
import { changeKey, type KeyDeps, type KeyFacts } from '../../commands/keys/key-command.ts';
import type { KeyState } from '../../commands/keys/key-state.ts';
import { decideLeaseCredits, type LeaseCredits } from '../../commands/keys/lease-credits.ts';
import { decideReturnCredits } from '../../commands/keys/return-credits.ts';
import { systemContext } from '../../commands/system-context.ts';
import type { KeyEvent } from '../../schemas/events/keys.ts';
import { type CreditsGuards, REFILL_SECONDS } from './credits-world.ts';
import { replacing } from './replacing.ts';
import type { Twin } from './rule.ts';

export const creditsTwins: readonly Twin<CreditsGuards>[] = [
  {
    name: 'a lease from before the balance was set may be given back',
    breaks: 'what is left of an old balance is added to the new one',
    guards: {
      leases: (leases, { deps }) => ({
        ...leases,
        async giveBack(tenant, keyId, leaseId, amount) {
          await changeKey(deps, {
            context: systemContext('credits', tenant, ['return', leaseId]),
            keyId,
            decide: decideReturnCredits,
            command: (_facts, key) => ({
              leaseId,
              amount,
              lease: { version: key.version + 1, amount, returned: false },
            }),
          });
        },
      }),
    },
  },
  {
    name: 'a lease is answered again as if it were the first time',
    breaks: 'its block is taken up twice',
    guards: {
      leases: (_, { deps, process }) =>
        creditLeases({ ...deps, random: { bytes: (length) => new Uint8Array(length) } }, process.name),
    },
  },
  {
    name: 'a block is kept although the balance was set anew',
    breaks: 'units of the old balance are spent on top of the new one',
    guards: {
      leases: (leases) => ({
        ...leases,
        async lease(...args) {
          const leased = await leases.lease(...args);
          const { credits } = leased.key;
          const sinceVersion = Number.MAX_SAFE_INTEGER;
          return { ...leased, key: { ...leased.key, credits: credits && { ...credits, sinceVersion } } };
        },
      }),
    },
  },
  {
    name: 'blocks are held outside the process',
    breaks: 'one that was spent is there again after a restart',
    guards: {
      leases: (leases, { process, outside }) => {
        let first = true;
        return {
          async lease(...args) {
            const held = first ? outside.get(args[1]) : undefined;
            first = false;
            if (held) process.turn('finds a block').catch(() => undefined);
            const leased = held ?? (await leases.lease(...args));
            outside.set(args[1], leased);
            return leased;
          },
          async giveBack(...args) {
            outside.delete(args[1]);
            await leases.giveBack(...args);
          },
        };
      },
    },
  },
  {
    name: 'a refill adds to what is left',
    breaks: 'a balance grows by every refill that nobody needed',
    guards: {
      leases: (leases, { deps, process }) =>
        leasesBy(deps, process.name, leases, (command, key) => {
          const decision = decideLeaseCredits(command, key);
          if ('reject' in decision) return decision;
          return {
            accept: decision.accept.map((event) => {
              if (event.type !== 'key.credits-refilled') return event;
              const remaining = event.data.remaining + key.credits!.remaining;
              return { ...event, data: { ...event.data, remaining } };
            }),
          };
        }),
    },
  },
  {
    name: 'a refill that was written is due still',
    breaks: 'it is granted again to every process that asks',
    guards: {
      leases: (leases, { deps, process }) =>
        leasesBy(deps, process.name, leases, (command, key) => {
          const { credits } = key;
          const before = credits && {
            ...credits,
            refilledAtMs: credits.refilledAtMs - REFILL_SECONDS * 1000,
          };
          return decideLeaseCredits(command, { ...key, credits: before });
        }),
    },
  },
  {
    name: 'the next refill is counted from the answer, not from the decision',
    breaks: 'one that fell due between the two is passed over, and the key denied until the next',
    guards: {
      leases: (leases, { process }) => ({
        ...leases,
        async lease(...args) {
          const leased = await leases.lease(...args);
          if (leased.kind === 'leased') return leased;
          const due = dueRefill(leased.key.credits, process.clock.now());
          return due ? { ...leased, refillAtMs: due.dueAtMs + REFILL_SECONDS * 1000 } : leased;
        },
      }),
    },
  },
  {
    name: 'a lease that was lost in a race reads as exhausted',
    breaks: 'a key is denied while it has credits',
    guards: {
      leases: (leases, { deps, process }) => {
        const { log } = deps;
        const lost = new Error('lost the race');
        const impatient = replacing(log, {
          async append(...args) {
            const answer = await log.append(...args);
            if (!answer.ok) throw lost;
            return answer;
          },
        });
        const quick = creditLeases({ ...deps, log: impatient }, process.name);
        return {
          ...leases,
          lease: (tenant, keyId, units) =>
            quick.lease(tenant, keyId, units).catch(async (error: unknown) => {
              if (error !== lost) throw error;
              const leased = await leases.lease(tenant, keyId, units);
              return { kind: 'exhausted', key: leased.key, refillAtMs: null };
            }),
        };
      },
    },
  },
  {
    name: 'a process that stops gives nothing back',
    breaks: 'credits are lost without a crash',
    guards: { leases: (leases) => ({ ...leases, giveBack: () => Promise.resolve() }) },
  },
];

/** Leases as the product's, by another decider: for twins. */
function leasesBy(
  deps: KeyDeps,
  writer: string,
  leases: CreditLeases,
  decide: (command: LeaseCredits & KeyFacts, key: KeyState) => Decision<KeyEvent>,
): CreditLeases {
  return {
    ...leases,
    async lease(tenant, keyId, units) {
      const leaseId = uuidv5('lease', writer, deps.random.bytes(16));
      const context = systemContext('credits', tenant, ['lease', leaseId]);
      const command = () => ({ leaseId, writer, units });
      const outcome = await changeKey(deps, { context, keyId, decide, command });
      if (outcome.kind === 'rejected') throw new Error(outcome.rejection.detail);
      const key = outcome.state;
      const leased = (outcome.events as readonly KeyEvent[]).find((e) => e.type === 'key.credits-leased');
      if (leased) return { kind: 'leased', leaseId, amount: leased.data.amount, key };
      return { kind: 'exhausted', key, refillAtMs: nextRefillAtMs(key.credits) };
    },
  };
}
