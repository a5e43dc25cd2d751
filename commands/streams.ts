/** The streams of the house: what must be unique is the stream's id. */
import { type StreamId, streamId, type TenantId } from '../schemas/envelope.ts';
import { uuidv5 } from './ids.ts';

/** Idempotent creations of keys and tenants are aimed at the collection, not at a stream. */
export const KEYS_COLLECTION = 'keys';
export const TENANTS_COLLECTION = 'tenants';

export function tenantStream(tenant: TenantId | string): StreamId {
  return streamId('tenant', tenant);
}

export function keyStream(keyId: string): StreamId {
  return streamId('key', keyId);
}

export function ownerStream(tenant: TenantId | string, ownerId: string): StreamId {
  return streamId('owner', uuidv5('owner', tenant, ownerId));
}

export function subjectStream(tenant: TenantId | string, subject: string): StreamId {
  return streamId('subject', uuidv5('subject', tenant, subject));
}

export function isSubjectStream(stream: StreamId): boolean {
  return stream.startsWith('subject-');
}

/** `day`: yyyy-mm-dd, UTC. `writer`: one life of one process. */
export function usageStream(tenant: TenantId | string, day: string, writer: string): StreamId {
  return streamId('usage', `${tenant}-${day}-${writer}`);
}

/** `project`: its key, unique in the tenant. */
export function projectStream(tenant: TenantId | string, project: string): StreamId {
  return streamId('project', uuidv5('project', tenant, project));
}

/** All flag state of one environment. */
export function environmentStream(tenant: TenantId | string, project: string, environment: string): StreamId {
  return streamId('environment', uuidv5('environment', tenant, project, environment));
}

/** Of a project, or of one of its environments. */
export function isFlagStream(stream: StreamId): boolean {
  return stream.startsWith('project-') || stream.startsWith('environment-');
}

/** The key id of a key's stream; null for any other stream. */
export function keyIdOfStream(stream: StreamId): string | null {
  return stream.startsWith('key-') ? stream.slice(4) : null;
}

/** The tenant id of a tenant's stream; null for any other stream. */
export function tenantIdOfStream(stream: StreamId): TenantId | null {
  return stream.startsWith('tenant-') ? (stream.slice(7) as TenantId) : null;
}
