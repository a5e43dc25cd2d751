/**
 * Evaluation over OFREP under full load, one flag and all flags that a client has already, against the
 * constant answer that `verify` is held against. Servers, log and load as there.
 */
import type { ChildProcess } from 'node:child_process';
import { streamWindow } from '../api/flags/stream-token.ts';
import type { FlagEdit } from '../schemas/commands/flags.ts';
import type { When } from '../schemas/flag-values.ts';
import { contexts } from './flag-cases.ts';
import { EVALUATE, flagHouse } from './flag-house.ts';
import { type Benchmark, interleave, type Measured } from './harness.ts';
import { connectionPool, headerOf, type NextRequest, requestBytes, type Target } from './http-load.ts';
import { scratchHouse } from './scratch-house.ts';
import { ended, fullLoad, ROUND_MS, startServer } from './verify.ts';

const FLAGS = 50;
const ROUNDS = 5;

export const ofrepBenchmark: Benchmark = {
  name: 'ofrep',
  unit: 'requests/s',
  bar: 0.7,
  passes: 'at least',
  says: `one flag of five rules and a rollout of ${FLAGS}, evaluated over OFREP, against verify's constant answer`,
  measure: () =>
    measured(async (target, reader) => {
      const requests = contexts.map((context, n) => {
        const flag = flagKey(n % FLAGS);
        return requestBytes(`${EVALUATE}/${flag}`, reader, JSON.stringify({ context }));
      });
      const next = inTurn(requests);
      return {
        subject: () => fullLoad(target, ROUND_MS, next),
        sameRoute: (constant) => fullLoad(constant, ROUND_MS, next),
      };
    }),
};

export const ofrepBulkBenchmark: Benchmark = {
  name: 'ofrep-bulk',
  unit: 'requests/s',
  bar: 0.85,
  passes: 'at least',
  says: `all of ${FLAGS} flags asked for over OFREP with the ETag of the last answer, against verify's constant answer`,
  measure: () =>
    measured(async (target, reader) => {
      const bodies = contexts.map((context) => JSON.stringify({ context }));
      const tagged = async (): Promise<NextRequest> => {
        const connections = connectionPool(target);
        const requests: Buffer[] = [];
        for (const body of bodies) {
          const answer = await connections.exchange(requestBytes(EVALUATE, reader, body));
          const headers = { ...reader, 'if-none-match': headerOf(answer, 'etag')! };
          requests.push(requestBytes(EVALUATE, headers, body));
        }
        connections.close();
        return inTurn(requests);
      };
      let known = { window: 0, next: await tagged() };
      return {
        async subject() {
          const window = await windowOfRound();
          if (known.window !== window) known = { window, next: await tagged() };
          return fullLoad(target, ROUND_MS, known.next, 304);
        },
        sameRoute: (constant) => fullLoad(constant, ROUND_MS, known.next, 304),
      };
    }),
};

interface Loads {
  readonly subject: () => Promise<number>;
  /** The same requests, to the same routes, with constant answers. */
  readonly sameRoute: (constant: Target) => Promise<number>;
}

async function measured(
  loadsOf: (target: Target, reader: Readonly<Record<string, string>>) => Promise<Loads>,
): Promise<Measured> {
  const house = await scratchHouse();
  const servers: ChildProcess[] = [];
  const start = async (kind: string) => {
    const { child, target } = await startServer(house, kind);
    servers.push(child);
    return target;
  };
  try {
    const plinth = await start('plinth');
    const edits = Array.from({ length: FLAGS }, (_, n) => [flagKey(n), fiveRulesAndRollout(n)] as const);
    const { reader } = await flagHouse(house, plinth, 'flags-server', Object.fromEntries(edits));
    const { subject, sameRoute } = await loadsOf(plinth, reader);
    const constant = await start('constant');
    const verify = requestBytes(
      '/v1/keys/verify',
      reader,
      JSON.stringify({ key: reader.authorization!.slice('Bearer '.length), limits: [{ name: 'burst' }] }),
    );
    const full = await interleave({
      rounds: ROUNDS,
      subject,
      yardstick: () => fullLoad(constant, ROUND_MS, () => verify),
    });
    await sameRoute(constant);
    const samePerSecond = await sameRoute(constant);
    return {
      ...full,
      notes: [
        `a constant answer of the same route: ${Math.round(samePerSecond)} requests/s, of which it is ${(full.value / samePerSecond).toFixed(2)}`,
      ],
    };
  } finally {
    for (const server of servers) await ended(server);
    await house.close();
  }
}

/** The addresses of streams, and with them all tags, change every 15 minutes: no round goes across that. */
async function windowOfRound(): Promise<number> {
  const spanMs = 2 * ROUND_MS;
  const window = streamWindow(Date.now());
  if (streamWindow(Date.now() + spanMs) === window) return window;
  await new Promise((resolve) => setTimeout(resolve, spanMs));
  return window + 1;
}

function inTurn(requests: readonly Buffer[]): NextRequest {
  let at = 0;
  return () => requests[at++ % requests.length]!;
}

const flagKey = (n: number) => `flag-${n}`;

/** As `flag-cases.ts` has them, in the form in which they are saved: none of the rules holds. */
function fiveRulesAndRollout(n: number): FlagEdit[] {
  const rules: readonly (readonly [id: string, when: When])[] = [
    ['some', { attribute: 'targetingKey', is: 'in', value: [`user-${n}`, 'user-b', 'user-c'] }],
    ['staff', { attribute: 'email', is: 'ends_with', value: `@example-${n}.com` }],
    [
      'enterprise',
      {
        all: [
          { attribute: 'plan', is: 'equals', value: 'enterprise' },
          { attribute: 'country', is: 'in', value: ['de', 'fr', 'it'] },
        ],
      },
    ],
    ['old', { attribute: 'version', is: 'version_less_than', value: '1.4.0' }],
    ['large', { attribute: 'seats', is: 'greater_than', value: 500 + n }],
  ];
  const rollout = { by: 'targetingKey', exposure: 25_000, weights: [{ variant: 'on', weight: 1 }] };
  return [
    { edit: 'set_mode', mode: 'on' },
    ...rules.map(([id, when]): FlagEdit => {
      return { edit: 'put_rule', rule: { id, when, serve: { variant: id === 'old' ? 'off' : 'on' } } };
    }),
    { edit: 'set_fallthrough', fallthrough: { rollout } },
  ];
}
