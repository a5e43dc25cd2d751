/** What a key is: folded from its stream alone, by commands, projections, verify and `asOf` alike. */
import type { KeyEvent, SecretDigest } from '../../schemas/events/keys.ts';
import type { Credits, KeyEnvironment, KeyMode, KeyUse, NamedLimit } from '../../schemas/values.ts';
import type { Fact } from '../decider.ts';

export interface KeySecret extends SecretDigest {
  readonly createdAtMs: number;
  /** Null: good as long as the key is. */
  readonly validUntilMs: number | null;
}

export interface CreditsState extends Credits {
  /** When the balance was set or last refilled (its due time): refills fall due from here. */
  readonly refilledAtMs: number;
  /** Version of the event that last set the balance: leases from before it are void. */
  readonly sinceVersion: number;
}

export interface KeyState {
  /** Version of the stream; 0: there is no such key. */
  readonly version: number;
  readonly keyId: string;
  readonly tenant: string;
  readonly use: KeyUse;
  /** Of a flags key; null: of any other. */
  readonly environment: KeyEnvironment | null;
  readonly mode: KeyMode;
  readonly format: 'plinth' | 'foreign';
  readonly ownerId: string | null;
  readonly ownerVersion: number;
  readonly name: string | null;
  readonly metadata: Record<string, unknown> | null;
  /** Oldest first; the last one is current. At most `MAX_SECRETS`. */
  readonly secrets: readonly KeySecret[];
  readonly scopes: readonly string[];
  readonly permissions: readonly string[];
  readonly limits: readonly NamedLimit[];
  readonly credits: CreditsState | null;
  readonly expiresAtMs: number | null;
  readonly notBeforeMs: number | null;
  readonly allowedIps: readonly string[];
  readonly disabled: boolean;
  /** Set once; nothing brings a revoked key back. */
  readonly revokedAtMs: number | null;
  readonly revokedCause: 'request' | 'owner' | 'leak' | null;
  /** `key.expired` was appended for this expiry. */
  readonly expired: boolean;
  readonly leakReportedAtMs: number | null;
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly updatedAtMs: number;
}

/** Secrets that can be good at one time: the current one and those in overlap. */
export const MAX_SECRETS = 8;

export const noKey: KeyState = {
  version: 0,
  keyId: '',
  tenant: '',
  use: 'api',
  environment: null,
  mode: 'live',
  format: 'plinth',
  ownerId: null,
  ownerVersion: 0,
  name: null,
  metadata: null,
  secrets: [],
  scopes: [],
  permissions: [],
  limits: [],
  credits: null,
  expiresAtMs: null,
  notBeforeMs: null,
  allowedIps: [],
  disabled: false,
  revokedAtMs: null,
  revokedCause: null,
  expired: false,
  leakReportedAtMs: null,
  createdAtMs: 0,
  createdBy: '',
  updatedAtMs: 0,
};

/** Without what is personal or large: verify does not look at it, and neither its read model nor its caches hold it. */
export function lean(key: KeyState): KeyState {
  return { ...key, name: noKey.name, metadata: noKey.metadata };
}

export function evolveKey(state: KeyState, event: Fact<KeyEvent>): KeyState {
  const next: KeyState = { ...state, version: event.version, updatedAtMs: event.timeMs };
  switch (event.type) {
    case 'key.issued': {
      const { secret, credits, expiresAt, notBefore, ...data } = event.data;
      return {
        ...next,
        ...data,
        tenant: event.metadata.tenant,
        secrets: [{ ...secret, createdAtMs: event.timeMs, validUntilMs: null }],
        credits: credits && { ...credits, refilledAtMs: event.timeMs, sinceVersion: event.version },
        expiresAtMs: toMs(expiresAt),
        notBeforeMs: toMs(notBefore),
        createdAtMs: event.timeMs,
        createdBy: event.metadata.actor,
      };
    }
    case 'key.rotated':
      return { ...next, secrets: rotate(state.secrets, event) };
    case 'key.revoked':
      return {
        ...next,
        revokedAtMs: state.revokedAtMs ?? event.timeMs,
        revokedCause: state.revokedCause ?? event.data.cause,
      };
    case 'key.disabled':
      return { ...next, disabled: true };
    case 'key.enabled':
      return { ...next, disabled: false };
    case 'key.renamed':
      return { ...next, name: event.data.name };
    case 'key.metadata-changed':
      return { ...next, metadata: event.data.metadata };
    case 'key.scopes-changed':
      return { ...next, scopes: event.data.scopes };
    case 'key.permissions-changed':
      return { ...next, permissions: event.data.permissions };
    case 'key.limits-changed':
      return { ...next, limits: event.data.limits };
    case 'key.expiry-changed':
      return { ...next, expiresAtMs: toMs(event.data.expiresAt), expired: false };
    case 'key.not-before-changed':
      return { ...next, notBeforeMs: toMs(event.data.notBefore) };
    case 'key.allowed-ips-changed':
      return { ...next, allowedIps: event.data.allowedIps };
    case 'key.credits-set':
      return {
        ...next,
        credits: event.data.credits && {
          ...event.data.credits,
          refilledAtMs: event.timeMs,
          sinceVersion: event.version,
        },
      };
    case 'key.credits-leased':
      return { ...next, credits: addCredits(state.credits, -event.data.amount) };
    case 'key.credits-returned':
      return { ...next, credits: addCredits(state.credits, event.data.amount) };
    case 'key.credits-refilled':
      return {
        ...next,
        credits: state.credits && {
          ...state.credits,
          remaining: event.data.remaining,
          refilledAtMs: Date.parse(event.data.dueAt),
          sinceVersion: event.version,
        },
      };
    case 'key.expired':
      return { ...next, expired: true };
    case 'key.repeppered':
      return {
        ...next,
        secrets: state.secrets.map((secret, i) => ({
          ...secret,
          ...event.data.secrets[i - state.secrets.length + event.data.secrets.length],
        })),
      };
    case 'key.leak-reported':
      return { ...next, leakReportedAtMs: event.timeMs };
    default:
      return next;
  }
}

/** Secrets before the new one end with the overlap, or sooner if they were to; those that have ended go. */
function rotate(
  secrets: readonly KeySecret[],
  event: Fact<Extract<KeyEvent, { type: 'key.rotated' }>>,
): readonly KeySecret[] {
  const overlapUntilMs = toMs(event.data.overlapUntil) ?? event.timeMs;
  const kept = secrets
    .map((s) => ({
      ...s,
      validUntilMs: Math.min(s.validUntilMs ?? Number.POSITIVE_INFINITY, overlapUntilMs),
    }))
    .filter((s) => s.validUntilMs > event.timeMs);
  return [
    ...kept.slice(1 - MAX_SECRETS),
    { ...event.data.secret, createdAtMs: event.timeMs, validUntilMs: null },
  ];
}

function addCredits(credits: CreditsState | null, amount: number): CreditsState | null {
  return credits && { ...credits, remaining: Math.max(0, credits.remaining + amount) };
}

function toMs(instant: string | null): number | null {
  return instant === null ? null : Date.parse(instant);
}
