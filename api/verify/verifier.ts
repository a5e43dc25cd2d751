/** Everything that verify consists of, put together: one for each process that serves the API. */
import type { Clock } from '../../commands/clock.ts';
import type { Codec } from '../../commands/codec.ts';
import type { EventLog } from '../../commands/event-log.ts';
import type { Peppers } from '../../commands/peppers.ts';
import type { ChangesSource } from '../../projections/changes.ts';
import { ConfirmedStamps } from '../../projections/confirmed-stamps.ts';
import { Freshness, type FreshnessEvent } from '../../projections/freshness.ts';
import type { Stamp } from '../../projections/projection.ts';
import type { VerifyKey } from '../../schemas/commands/verify.ts';
import { positionToken, START } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { Secret } from '../../schemas/secret.ts';
import type { KeyUse } from '../../schemas/values.ts';
import type { VerifyFault, VerifyView } from '../../schemas/views/verify.ts';
import { type Authenticated, authenticate, isStillGood, type Peer } from './authenticate.ts';
import { type ConfirmLog, confirmLog } from './confirm-log.ts';
import { CreditBlocks } from './credit-blocks.ts';
import type { CreditLeases } from './credit-leases.ts';
import { KeyCache, type LoadRows } from './key-cache.ts';
import { type FactsSource, KeyFacts } from './key-facts.ts';
import type { Limiter } from './limiter.ts';
import { RequestMemo } from './request-memo.ts';
import { SecondLevel, type SharedEvent } from './second-level.ts';
import type { SharedCache } from './shared-cache.ts';
import { sharedEntries } from './shared-entry.ts';
import type { Spending } from './spend.ts';
import { StreamFolds } from './stream-folds.ts';
import { type RecordUsage, type VerifyContext, verifyKey, verifyMany } from './verify-key.ts';

export interface VerifierDeps {
  readonly log: Pick<EventLog, 'head' | 'eventIdAt' | 'readStream'>;
  readonly codec: Codec;
  /** Of the projection `keys`. */
  readonly changes: ChangesSource;
  /** Rows of the projection `keys`, from the primary. */
  readonly loadRows: LoadRows;
  readonly peppers: Peppers;
  readonly limiter: Limiter;
  readonly leases: CreditLeases;
  readonly clock: Clock;
  /** Off the hot path: must not throw, and take no time. */
  readonly record: RecordUsage;
  readonly onUnknown?: () => void;
  readonly onFreshness?: (event: FreshnessEvent, detail: string) => void;
  readonly onFacts?: (source: FactsSource) => void;
  /** Rows that several processes share, and what its entries are sealed with (`keyring.derive('shared-cache')`). */
  readonly shared?: { readonly cache: SharedCache; readonly secret: Secret<Uint8Array> } | undefined;
  readonly onShared?: (event: SharedEvent, count: number) => void;
  /** Bound of each cache that has a larger one: for tests, and for small machines. */
  readonly maxEntries?: number;
}

export interface Verifier {
  verify(context: VerifyContext, request: VerifyKey): VerifyView | Promise<VerifyView>;
  verifyMany(
    context: VerifyContext,
    requests: readonly VerifyKey[],
  ): Promise<readonly (VerifyView | VerifyFault)[]>;
  /** `text`: what stands after `Bearer `. */
  authenticate(text: string, peer?: Peer, uses?: readonly KeyUse[]): Authenticated | Promise<Authenticated>;
  /** Of a key whose secret was checked before; see `isStillGood`. */
  stillGood(keyId: string): boolean | Promise<boolean>;
  /** After a read of the log that a client is told of. */
  readonly confirm: ConfirmLog;
  readonly freshness: Freshness;
  readonly cache: KeyCache;
  readonly facts: KeyFacts;
  readonly credits: CreditBlocks;
  readonly memo: RequestMemo<Spending>;
  start(): void;
  /** Stops sampling and gives leased credits back; call it when no request is left. */
  close(): Promise<void>;
}

export function createVerifier(deps: VerifierDeps): Verifier {
  const { log, codec, clock, peppers, limiter, record, onUnknown } = deps;
  const freshness = new Freshness({ log, changes: deps.changes, clock, on: deps.onFreshness });
  const confirmedStamps = () => {
    const saw = (stamp: Stamp) => freshness.saw(stamp);
    const confirmed = new ConfirmedStamps({ log, clock, saw, polled: () => freshness.polled() });
    freshness.onDrop(() => confirmed.drop());
    return confirmed;
  };
  // Of rows apart from what is shared: a row's stamp is seen before the log is asked, so that no poll that
  // starts meanwhile leaves it out.
  const [confirmedRows, confirmedShared] = [confirmedStamps(), confirmedStamps()];
  const shared =
    deps.shared &&
    new SecondLevel({
      shared: deps.shared.cache,
      entries: sharedEntries(deps.shared.secret),
      clock,
      place: () => freshness.polled(),
      usable: (entry) => freshness.usable(entry.stamp, entry.streams),
      confirm: (stamp) => confirmedShared.confirm(stamp),
      on: deps.onShared,
    });
  const cache = new KeyCache({
    shared,
    load: deps.loadRows,
    clock,
    saw: (stamp) => freshness.saw(stamp),
    confirm: (stamp) => confirmedRows.confirm(stamp),
    maxEntries: deps.maxEntries,
    maxNegativeEntries: deps.maxEntries,
  });
  const folds = new StreamFolds({
    log,
    codec,
    clock,
    knownHead: () => freshness.head?.position ?? START,
    confirm: (last) => freshness.confirm(last),
  });
  const facts = new KeyFacts({
    freshness,
    cache,
    folds,
    clock,
    on: deps.onFacts,
    maxFoldedEntries: deps.maxEntries,
  });
  const credits = new CreditBlocks({ leases: deps.leases, clock, maxBlocks: deps.maxEntries });
  freshness.onDrop(() => credits.drop());
  const memo = new RequestMemo<Spending>(clock);
  const nowMs = () => clock.now();
  const place = () => {
    const head = freshness.head;
    if (head !== null) return positionToken(head.epoch, head.position);
    throw staleVerify('The log has not been seen yet.');
  };
  const head = async () => {
    try {
      return (await log.head()).position;
    } catch (cause) {
      throw staleVerify('The log cannot be asked now.', cause);
    }
  };
  const verifying = {
    facts,
    peppers,
    purse: { limiter, credits, nowMs },
    memo,
    place,
    record,
    onUnknown,
    head,
  };
  const authenticating = { facts, peppers, nowMs, record };
  return {
    verify: (context, request) => verifyKey(verifying, context, request),
    verifyMany: (context, requests) => verifyMany(verifying, context, requests),
    authenticate: (text, peer, uses) => authenticate(authenticating, text, peer, uses),
    stillGood: (keyId) => isStillGood(authenticating, keyId),
    confirm: confirmLog(freshness),
    freshness,
    cache,
    facts,
    credits,
    memo,
    start: () => freshness.start(),
    async close() {
      await credits.close();
      await freshness.close();
    },
  };
}

function staleVerify(detail: string, cause?: unknown): PlinthError {
  return new PlinthError('verify_stale', detail, { extra: { retryAfterSeconds: 1 } }, { cause });
}
