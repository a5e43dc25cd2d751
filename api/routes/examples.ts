/** Examples that several routes of the document share. No secret here is one. */
import type { IssuedKeyView, KeyView } from '../../schemas/views/keys.ts';
import type { TenantView } from '../../schemas/views/tenants.ts';

export const POSITION_EXAMPLE = '0198c5a2-6d1e-4b60-9f57-2f4f8f3f1c11.00000000000000004711';

export const keyExample: KeyView = {
  id: 'key_4fTq0ZxW91bA',
  version: 3,
  status: 'active',
  use: 'api',
  environment: null,
  mode: 'live',
  format: 'plinth',
  ownerId: 'customer-42',
  name: 'Billing export',
  metadata: { plan: 'pro' },
  scopes: ['invoices:read'],
  permissions: [],
  limits: [{ name: 'burst', limit: 100, windowSeconds: 60 }],
  credits: null,
  expiresAt: null,
  notBefore: null,
  allowedIps: [],
  disabled: false,
  revokedAt: null,
  revokedCause: null,
  leakReportedAt: null,
  secrets: [{ hint: 'x8Qd', createdAt: '2026-03-01T08:00:00.000Z', validUntil: null }],
  createdAt: '2026-03-01T08:00:00.000Z',
  createdBy: 'key_0Lp5sR2kYd7M',
  updatedAt: '2026-03-02T10:30:00.000Z',
};

export const tenantExample: TenantView = {
  id: 'tnt_5b1c9a0e7d3f5f0a8c2b6e4d1a9f7c30',
  version: 1,
  slug: 'acme',
  name: 'Acme Ltd',
  status: 'active',
  createdAt: '2026-03-01T08:00:00.000Z',
};

export const issuedExample: IssuedKeyView = {
  key: keyExample,
  secret: 'plinth_live_4fTq0ZxW91bA_… (shown this once)',
  secretShown: true,
};
