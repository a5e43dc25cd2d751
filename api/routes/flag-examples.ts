/** Examples of flags for the document. */
import type {
  EnvironmentView,
  FlagExplanationView,
  FlagInEnvironmentView,
  FlagView,
  ProjectView,
} from '../../schemas/views/flags.ts';
import { POSITION_EXAMPLE } from './examples.ts';

export const projectExample: ProjectView = {
  project: 'shop',
  version: 1,
  createdAt: '2026-03-01T08:00:00.000Z',
};

export const environmentExample: EnvironmentView = {
  project: 'shop',
  environment: 'production',
  approvalsRequired: 0,
  version: 12,
  changedAt: '2026-03-02T10:30:00.000Z',
};

export const flagExample: FlagView = {
  project: 'shop',
  flag: 'new-checkout',
  revision: 1,
  type: 'boolean',
  kind: 'release',
  lifecycle: 'live',
  ownerTeam: 'payments',
  ownerPerson: null,
  tags: ['checkout'],
  expiresAt: '2026-12-31T00:00:00Z',
  permanent: false,
  createdAt: '2026-03-01T08:00:00.000Z',
};

export const rampExample = {
  edits: [
    { edit: 'set_mode', mode: 'on' },
    {
      edit: 'set_fallthrough',
      fallthrough: {
        rollout: { by: 'targetingKey', exposure: 25_000, weights: [{ variant: 'on', weight: 1 }] },
      },
    },
  ],
  reason: 'first quarter of customers',
};

export const flagInEnvironmentExample: FlagInEnvironmentView = {
  project: 'shop',
  environment: 'production',
  flag: 'new-checkout',
  revision: 2,
  type: 'boolean',
  variants: { on: true, off: false },
  jsonSchema: null,
  clientVisible: true,
  archived: false,
  mode: 'on',
  offVariant: 'off',
  prerequisites: [],
  targets: [],
  rules: [],
  fallthrough: {
    rollout: { by: 'targetingKey', exposure: 25_000, weights: [{ variant: 'on', weight: 1 }] },
  },
  seed: '9f86d081884c7d65',
  bucketing: 'flagd-v2',
  notInFlagd: [],
};

export const explanationExample: FlagExplanationView = {
  flag: 'new-checkout',
  value: true,
  variant: 'on',
  reason: 'SPLIT',
  mode: 'on',
  revision: 2,
  position: POSITION_EXAMPLE,
  at: '2026-03-02T10:31:00.000Z',
  trace: [{ part: 'fallthrough', id: null, holds: true }],
  bucket: {
    by: 'targetingKey',
    key: 'customer-42',
    gate: { bucket: 12_345, exposure: 25_000 },
    split: { bucket: 0, of: 1 },
  },
};
