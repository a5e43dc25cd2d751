import { z } from 'zod';

/** The closed list of answers of a verify, in the order in which they are judged. */
export const verifyCodes = [
  'NOT_FOUND',
  'STREAM_PARKED',
  'TENANT_SUSPENDED',
  'REVOKED',
  'DISABLED',
  'NOT_YET_VALID',
  'EXPIRED',
  'FORBIDDEN',
  'USAGE_EXCEEDED',
  'RATE_LIMITED',
  'INSUFFICIENT_PERMISSIONS',
  'VALID',
] as const;
export const verifyCodeSchema = z.enum(verifyCodes);
export type VerifyCode = z.infer<typeof verifyCodeSchema>;
