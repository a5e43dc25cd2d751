/** The command of an order: the same in every process, as the API makes it of a request. */
import type { CommandContext } from '../../commands/execute.ts';
import { commandIdOf } from '../../commands/ids.ts';
import { KEYS_COLLECTION, keyStream, ownerStream } from '../../commands/streams.ts';
import { DEFAULT_TENANT } from '../../commands/tenants/default-tenant.ts';
import type { CommandId } from '../../schemas/envelope.ts';
import type { Order } from './messages.ts';

export function commandOf({ operation, target, idempotencyKey }: Order, actor: string): CommandId {
  const aimedAt =
    operation === 'issue'
      ? KEYS_COLLECTION
      : operation === 'revoke-owner'
        ? ownerStream(DEFAULT_TENANT, target!)
        : keyStream(target!);
  return commandIdOf(DEFAULT_TENANT, actor, operation, aimedAt, idempotencyKey);
}

export function contextOf(order: Order, actor: string, digest: (body: Uint8Array) => string): CommandContext {
  return {
    commandId: commandOf(order, actor),
    tenant: DEFAULT_TENANT,
    actor,
    requestDigest: digest(Buffer.from(JSON.stringify(order.body))),
    correlationId: order.idempotencyKey,
    causationId: null,
    traceparent: null,
  };
}
