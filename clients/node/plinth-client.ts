/**
 * The Node client of Plinth. It needs `fetch` and nothing else.
 *
 * It retries what may be repeated: reads, verifies (each carries a request id, which spends once), and
 * writes (each carries an `Idempotency-Key`). It caches nothing: an answer of verify is good for the one
 * request that asked for it.
 */
import { type Calls, callsOf } from './calls.ts';
import type {
  CallOptions,
  KeyFilter,
  PlinthClientOptions,
  Usage,
  UsageRange,
  WriteOptions,
  Written,
} from './options.ts';
import type * as t from './types.ts';

/** An erasure answers after about six seconds: one attempt waits at least this long, all of them twice it. */
const ERASURE_ATTEMPT_MS = 20_000;

export class PlinthClient {
  readonly #calls: Calls;

  constructor(options: PlinthClientOptions) {
    this.#calls = callsOf(options);
  }

  /** Is this key good for this, now? `valid` says; `code` says why not. */
  async verify(request: t.VerifyRequest, options: CallOptions = {}): Promise<t.Verdict> {
    const body = { requestId: crypto.randomUUID(), ...request };
    return (await this.#calls.post<t.Verdict>('/v1/keys/verify', body, options)).body;
  }

  /** Up to 100, each judged alone, answered in order. */
  async verifyMany(
    requests: readonly t.VerifyRequest[],
    options: CallOptions = {},
  ): Promise<readonly (t.Verdict | t.VerdictFault)[]> {
    const verifies = requests.map((request) => ({ requestId: crypto.randomUUID(), ...request }));
    const path = '/v1/keys/verify-batch';
    const answer = await this.#calls.post<{ results: (t.Verdict | t.VerdictFault)[] }>(
      path,
      { verifies },
      options,
    );
    return answer.body.results;
  }

  /** What a verify would have answered at a time or a position, and why. Needs no secret, spends nothing. */
  async explain(request: t.ExplainRequest, options: CallOptions = {}): Promise<t.Explanation> {
    return (await this.#calls.post<t.Explanation>('/v1/keys/verify', request, options)).body;
  }

  /** The secret is in this answer and never again. */
  issueKey(request: t.IssueKeyRequest, options?: WriteOptions): Promise<Written<t.IssuedKey>> {
    return this.#calls.write('POST', '/v1/keys', request, options);
  }

  /** `asOf`: an RFC 3339 time or a position: the key as it was then. */
  async getKey(keyId: string, options: CallOptions & { asOf?: string } = {}): Promise<t.Key> {
    return (await this.#calls.get<t.Key>(keyPath(keyId), { asOf: options.asOf }, options)).body;
  }

  listKeys(filter: KeyFilter = {}, options: CallOptions = {}): AsyncGenerator<t.KeyListItem> {
    return this.#calls.pages('/v1/keys', 'keys', { ...filter }, options);
  }

  /** Active `api` keys, issued before and not verified since so many days; 90 unless given. */
  unusedKeys(
    filter: { readonly days?: number } = {},
    options: CallOptions = {},
  ): AsyncGenerator<t.KeyListItem> {
    return this.#calls.pages('/v1/keys/unused', 'keys', { ...filter }, options);
  }

  /** Its changes, oldest first. */
  keyHistory(keyId: string, options: CallOptions = {}): AsyncGenerator<t.KeyChange> {
    return this.#calls.pages(`${keyPath(keyId)}/history`, 'changes', {}, options);
  }

  async keyUsage(keyId: string, range: UsageRange = {}, options: CallOptions = {}): Promise<Usage> {
    return (await this.#calls.get<Usage>(`${keyPath(keyId)}/usage`, { ...range }, options)).body;
  }

  updateKey(keyId: string, change: t.UpdateKeyRequest, options?: WriteOptions): Promise<Written<t.Key>> {
    return this.#calls.write('PATCH', keyPath(keyId), change, options);
  }

  /** A new secret for the same key; the old one stays good for the overlap. */
  rotateKey(
    keyId: string,
    request: t.RotateKeyRequest = {},
    options?: WriteOptions,
  ): Promise<Written<t.IssuedKey>> {
    return this.#calls.write('POST', `${keyPath(keyId)}/rotate`, request, options);
  }

  /** At once, and for good. */
  revokeKey(keyId: string, request: t.ReasonRequest = {}, options?: WriteOptions): Promise<Written<t.Key>> {
    return this.#calls.write('POST', `${keyPath(keyId)}/revoke`, request, options);
  }

  revokeKeys(request: t.RevokeKeysRequest, options?: WriteOptions): Promise<Written<t.RevokedKeys>> {
    return this.#calls.write('POST', '/v1/keys/revoke', request, options);
  }

  /** Every key that the owner has now; those issued later are not touched. */
  revokeOwnerKeys(
    ownerId: string,
    request: t.ReasonRequest = {},
    options?: WriteOptions,
  ): Promise<Written<t.OwnerRevocation>> {
    return this.#calls.write(
      'POST',
      `/v1/owners/${encodeURIComponent(ownerId)}/revoke-keys`,
      request,
      options,
    );
  }

  disableKey(keyId: string, request: t.ReasonRequest = {}, options?: WriteOptions): Promise<Written<t.Key>> {
    return this.#calls.write('POST', `${keyPath(keyId)}/disable`, request, options);
  }

  enableKey(keyId: string, request: t.ReasonRequest = {}, options?: WriteOptions): Promise<Written<t.Key>> {
    return this.#calls.write('POST', `${keyPath(keyId)}/enable`, request, options);
  }

  setCredits(keyId: string, request: t.SetCreditsRequest, options?: WriteOptions): Promise<Written<t.Key>> {
    return this.#calls.write('PUT', `${keyPath(keyId)}/credits`, request, options);
  }

  /** Keys that were issued elsewhere, by the SHA-256 of their text. */
  importKeys(request: t.ImportKeysRequest, options?: WriteOptions): Promise<Written<t.ImportedKeys>> {
    return this.#calls.write('POST', '/v1/keys/import', request, options);
  }

  /** Which key is this, and, if you say so, revoke it. */
  reportLeak(request: t.ReportLeakRequest, options?: WriteOptions): Promise<Written<t.Leak>> {
    return this.#calls.write('POST', '/v1/keys/leaked', request, options);
  }

  createTenant(request: t.CreateTenantRequest, options?: WriteOptions): Promise<Written<t.Tenant>> {
    return this.#calls.write('POST', '/v1/tenants', request, options);
  }

  /** By id or by slug. */
  async getTenant(idOrSlug: string, options: CallOptions = {}): Promise<t.Tenant> {
    return (await this.#calls.get<t.Tenant>(tenantPath(idOrSlug), {}, options)).body;
  }

  listTenants(
    filter: { readonly status?: 'active' | 'suspended'; readonly q?: string } = {},
    options: CallOptions = {},
  ): AsyncGenerator<t.Tenant> {
    return this.#calls.pages('/v1/tenants', 'tenants', { ...filter }, options);
  }

  suspendTenant(
    tenantId: string,
    request: t.ReasonRequest = {},
    options?: WriteOptions,
  ): Promise<Written<t.Tenant>> {
    return this.#calls.write('POST', `${tenantPath(tenantId)}/suspend`, request, options);
  }

  resumeTenant(
    tenantId: string,
    request: t.ReasonRequest = {},
    options?: WriteOptions,
  ): Promise<Written<t.Tenant>> {
    return this.#calls.write('POST', `${tenantPath(tenantId)}/resume`, request, options);
  }

  /** A management key of that tenant. */
  issueAdminKey(
    tenantId: string,
    request: t.IssueAdminKeyRequest = {},
    options?: WriteOptions,
  ): Promise<Written<t.IssuedKey>> {
    return this.#calls.write('POST', `${tenantPath(tenantId)}/admin-keys`, request, options);
  }

  /** Destroys the data keys of a person, for good; answers after about six seconds. */
  eraseSubject(subject: string, options?: WriteOptions): Promise<Written<t.Subject>> {
    const { attemptTimeoutMs, deadlineMs } = this.#calls.options;
    return this.#calls.write('POST', `${subjectPath(subject)}/erase`, undefined, options, {
      ...this.#calls.options,
      attemptTimeoutMs: Math.max(attemptTimeoutMs, ERASURE_ATTEMPT_MS),
      deadlineMs: Math.max(deadlineMs, 2 * ERASURE_ATTEMPT_MS),
    });
  }

  /** Whether a person was erased, by their owner id. */
  async getSubject(subject: string, options: CallOptions = {}): Promise<t.Subject> {
    return (await this.#calls.get<t.Subject>(subjectPath(subject), {}, options)).body;
  }

  /** Which key this client calls with. */
  async whoami(options: CallOptions = {}): Promise<{ tenant: string; keyId: string; permissions: string[] }> {
    return (
      await this.#calls.get<{ tenant: string; keyId: string; permissions: string[] }>(
        '/v1/whoami',
        {},
        options,
      )
    ).body;
  }
}

function keyPath(keyId: string): string {
  return `/v1/keys/${encodeURIComponent(keyId)}`;
}

function tenantPath(idOrSlug: string): string {
  return `/v1/tenants/${encodeURIComponent(idOrSlug)}`;
}

function subjectPath(subject: string): string {
  return `/v1/subjects/${encodeURIComponent(subject)}`;
}
