/** Generated from the schemas of the API; a test keeps it so. */

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export type ErrorCode =
  | 'invalid_request'
  | 'malformed_json'
  | 'invalid_cursor'
  | 'credential_missing'
  | 'credential_invalid'
  | 'permission_denied'
  | 'permission_escalation'
  | 'approval_required'
  | 'self_approval'
  | 'tenant_suspended'
  | 'not_found'
  | 'method_not_allowed'
  | 'not_acceptable'
  | 'request_timeout'
  | 'conflict'
  | 'already_exists'
  | 'contended'
  | 'epoch_gone'
  | 'precondition_failed'
  | 'body_too_large'
  | 'uri_too_long'
  | 'unsupported_media_type'
  | 'idempotency_mismatch'
  | 'request_id_reused'
  | 'unknown_limit'
  | 'event_too_large'
  | 'headers_too_large'
  | 'too_many_requests'
  | 'internal'
  | 'overloaded'
  | 'unavailable'
  | 'verify_stale'
  | 'stream_parked'
  | 'projection_behind'
  | 'log_epoch_changed'
  | 'shutting_down';

export type VerifyCode =
  | 'NOT_FOUND'
  | 'STREAM_PARKED'
  | 'TENANT_SUSPENDED'
  | 'REVOKED'
  | 'DISABLED'
  | 'NOT_YET_VALID'
  | 'EXPIRED'
  | 'FORBIDDEN'
  | 'USAGE_EXCEEDED'
  | 'RATE_LIMITED'
  | 'INSUFFICIENT_PERMISSIONS'
  | 'VALID';

export type Permission =
  | 'keys:read'
  | 'keys:write'
  | 'keys:verify'
  | 'owners:write'
  | 'usage:read'
  | 'tenants:read'
  | 'tenants:write'
  | 'subjects:erase'
  | 'projections:read'
  | 'projections:write'
  | 'flags:read'
  | 'flags:write'
  | 'flags:kill'
  | 'flags:approve'
  | 'projects:write'
  | 'keys:*'
  | 'owners:*'
  | 'usage:*'
  | 'tenants:*'
  | 'subjects:*'
  | 'projections:*'
  | 'flags:*'
  | 'projects:*'
  | '*:*';

export type NamedLimit = {
  name: string;
  limit: number;
  windowSeconds: number;
};

export type Credits = {
  remaining: number;
  refill: {
    amount: number;
    everySeconds: number;
  } | null;
};

export type KeyStatus = 'revoked' | 'disabled' | 'not_yet_valid' | 'expired' | 'active';

export type ScopeQuery =
  | string
  | string[]
  | {
      all: (
        | string
        | {
            any: string[];
          }
      )[];
    }
  | {
      any: (
        | string
        | {
            all: string[];
          }
      )[];
    };

export type VerifyRequest = {
  key: string;
  scopes?: ScopeQuery;
  limits?: {
    name: string;
    cost?: number;
  }[];
  credits?: {
    cost: number;
  };
  ip?: string;
  requestId?: string;
};

export type ExplainRequest = {
  keyId: string;
  asOf: string;
  scopes?: ScopeQuery;
  ip?: string;
};

export type IssueKeyRequest = {
  use?: 'management' | 'api' | 'flags-server' | 'flags-client';
  environment?: {
    project: string;
    environment: string;
  } | null;
  mode?: 'live' | 'test';
  ownerId?: string | null;
  name?: string | null;
  metadata?: { [name: string]: Json } | null;
  scopes?: string[];
  limits?: NamedLimit[];
  credits?: Credits | null;
  expiresAt?: string | null;
  notBefore?: string | null;
  allowedIps?: string[];
  permissions?: Permission[];
};

export type UpdateKeyRequest = {
  name?: string | null;
  metadata?: { [name: string]: Json } | null;
  scopes?: string[];
  permissions?: Permission[];
  limits?: NamedLimit[];
  expiresAt?: string | null;
  notBefore?: string | null;
  allowedIps?: string[];
};

export type RotateKeyRequest = {
  overlapSeconds?: number;
};

export type RevokeKeysRequest = {
  keyIds: string[];
  reason?: string | null;
};

export type ReasonRequest = {
  reason?: string | null;
};

export type SetCreditsRequest = {
  credits: Credits | null;
};

export type ImportKeysRequest = {
  keys: {
    digest: {
      algorithm: 'sha256';
      value: string;
    };
    mode?: 'live' | 'test';
    ownerId?: string | null;
    name?: string | null;
    metadata?: { [name: string]: Json } | null;
    scopes?: string[];
    limits?: NamedLimit[];
    credits?: Credits | null;
    expiresAt?: string | null;
    notBefore?: string | null;
    allowedIps?: string[];
  }[];
};

export type ReportLeakRequest = {
  key: string;
  source?: string | null;
  revoke?: boolean;
};

export type CreateTenantRequest = {
  slug: string;
  name?: string | null;
};

export type IssueAdminKeyRequest = {
  name?: string | null;
  permissions?: Permission[];
  expiresAt?: string | null;
};

export type Verdict = {
  valid: boolean;
  code: VerifyCode;
  keyId: string | null;
  ownerId: string | null;
  use: 'management' | 'api' | 'flags-server' | 'flags-client' | null;
  mode: 'live' | 'test' | null;
  scopes: string[];
  limits: {
    name: string;
    limit: number;
    windowSeconds: number;
    remaining: number;
    resetSeconds: number;
  }[];
  credits: {
    remaining: number;
  } | null;
  position: string;
  retryAfterSeconds: number | null;
};

export type VerdictFault = {
  error: {
    code: ErrorCode;
    detail: string;
    retryAfterSeconds: number | null;
  };
};

export type Explanation = {
  valid: boolean;
  code: VerifyCode;
  keyId: string;
  at: string;
  position: string | null;
  checks: {
    name: string;
    passed: boolean;
    code: VerifyCode;
    detail: string;
  }[];
};

export type Key = {
  id: string;
  version: number;
  status: KeyStatus;
  use: 'management' | 'api' | 'flags-server' | 'flags-client';
  environment: {
    project: string;
    environment: string;
  } | null;
  mode: 'live' | 'test';
  format: 'plinth' | 'foreign';
  ownerId: string | null;
  name: string | null;
  metadata: { [name: string]: Json } | null;
  scopes: string[];
  permissions: string[];
  limits: NamedLimit[];
  credits: Credits | null;
  expiresAt: string | null;
  notBefore: string | null;
  allowedIps: string[];
  disabled: boolean;
  revokedAt: string | null;
  revokedCause: 'request' | 'owner' | 'leak' | null;
  leakReportedAt: string | null;
  secrets: {
    hint: string | null;
    createdAt: string;
    validUntil: string | null;
  }[];
  createdAt: string;
  createdBy: string;
  updatedAt: string;
};

export type KeyListItem = {
  id: string;
  version: number;
  status: KeyStatus;
  use: 'management' | 'api' | 'flags-server' | 'flags-client';
  environment: {
    project: string;
    environment: string;
  } | null;
  mode: 'live' | 'test';
  format: 'plinth' | 'foreign';
  ownerId: string | null;
  name: string | null;
  metadata: { [name: string]: Json } | null;
  scopes: string[];
  permissions: string[];
  limits: NamedLimit[];
  credits: Credits | null;
  expiresAt: string | null;
  notBefore: string | null;
  allowedIps: string[];
  disabled: boolean;
  revokedAt: string | null;
  revokedCause: 'request' | 'owner' | 'leak' | null;
  leakReportedAt: string | null;
  secrets: {
    hint: string | null;
    createdAt: string;
    validUntil: string | null;
  }[];
  createdAt: string;
  createdBy: string;
  updatedAt: string;
  lastUsedAt: string | null;
};

export type IssuedKey = {
  key: Key;
  secret: string | null;
  secretShown: boolean;
};

export type RevokedKeys = {
  results: (
    | {
        keyId: string;
        revokedAt: string;
      }
    | {
        keyId: string;
        error: {
          code: ErrorCode;
          detail: string;
        };
      }
  )[];
};

export type ImportedKeys = {
  results: (
    | {
        index: number;
        keyId: string;
      }
    | {
        index: number;
        error: {
          code: ErrorCode;
          detail: string;
        };
      }
  )[];
};

export type OwnerRevocation = {
  ownerId: string;
  revokedAt: string;
  version: number;
};

export type Leak = {
  key: Key;
  secret: 'current' | 'overlap' | 'ended';
  revoked: boolean;
};

export type KeyChange = {
  type: string;
  at: string;
  position: string;
  version: number;
  actor: string;
  reason: string | null;
  changes: {
    field: string;
    before: Json;
    after: Json;
  }[];
  correlationId: string;
};

export type Tenant = {
  id: string;
  version: number;
  slug: string;
  name: string | null;
  status: 'active' | 'suspended';
  createdAt: string;
};

export type Subject = {
  subject: string;
  erasedAt: string | null;
  destroyedKeys: number;
};
