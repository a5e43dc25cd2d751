/** Specs of deciders: given events, when a command comes, then these events, or this refusal. */
import assert from 'node:assert/strict';
import type { Decision, Fact } from '../../commands/decider.ts';
import type { Metadata } from '../../schemas/envelope.ts';
import type { ErrorCode, Rejection } from '../../schemas/errors.ts';

export interface Spec<S, E> {
  readonly initial: S;
  evolve(state: S, event: Fact<E>): S;
}

export interface Given {
  readonly tenant?: string;
  /** Of the first event; each later one comes a second later. */
  readonly fromMs?: number;
}

export function specOf<S, E extends { readonly type: string }>(spec: Spec<S, E>, defaults: Given = {}) {
  const { tenant = 'tnt_spec', fromMs = Date.parse('2026-01-01T00:00:00Z') } = defaults;
  return {
    given(...events: readonly E[]) {
      const state = events.reduce(
        (before, event, i) => spec.evolve(before, factOf(event, i + 1, fromMs + i * 1000, tenant)),
        spec.initial,
      );
      return {
        state,
        when<C>(decide: (command: C, state: S) => Decision<E>, command: C) {
          const decision = decide(command, state);
          return {
            thenEvents(...expected: readonly E[]) {
              assert.deepEqual('accept' in decision ? decision.accept : decision, expected);
            },
            thenRefused(code: ErrorCode, detail?: RegExp): Rejection {
              assert.ok('reject' in decision, `expected ${code}, got ${JSON.stringify(decision)}`);
              assert.equal(decision.reject.code, code);
              if (detail) assert.match(decision.reject.detail, detail);
              return decision.reject;
            },
          };
        },
      };
    },
  };
}

export function factOf<E>(event: E, version: number, timeMs: number, tenant: string): Fact<E> {
  const metadata: Metadata = {
    tenant,
    actor: 'key_spec00000000',
    commandId: '00000000-0000-5000-8000-000000000000',
    requestDigest: null,
    correlationId: 'spec',
    causationId: null,
    traceparent: null,
  };
  return { ...event, version, timeMs, metadata };
}
