/**
 * The process that is killed: the write path, the projector and the background roles of the product on an
 * embedded PostgreSQL in the folder given. Commands come from the driver as a client would send them.
 */
import { flushCompileCache } from 'node:module';
import { issueKey } from '../../commands/keys/issue-key.ts';
import { revokeKey } from '../../commands/keys/revoke-key.ts';
import { revokeOwnerKeys } from '../../commands/keys/revoke-owner-keys.ts';
import { rotateKey } from '../../commands/keys/rotate-key.ts';
import { updateKey } from '../../commands/keys/update-key.ts';
import { personalCodec } from '../../commands/personal-codec.ts';
import { requestDigest } from '../../commands/request-digest.ts';
import { DEFAULT_TENANT } from '../../commands/tenants/default-tenant.ts';
import { UsageRecorder } from '../../commands/usage/usage-recorder.ts';
import { openPostgresEventLog } from '../../infra/event-log/postgres-event-log.ts';
import { bootstrap } from '../../infra/platform/admin-key.ts';
import { startBackground } from '../../infra/platform/background.ts';
import { type Engines, openEngines } from '../../infra/platform/engines.ts';
import { startProjector } from '../../infra/platform/projector.ts';
import { createLog } from '../../infra/telemetry/log.ts';
import {
  issueKeySchema,
  revokeKeySchema,
  revokeOwnerKeysSchema,
  rotateKeySchema,
  updateKeySchema,
} from '../../schemas/commands/keys.ts';
import { eventCatalogue } from '../../schemas/events/catalogue.ts';
import type { Secret } from '../../schemas/secret.ts';
import { killSwitch } from './kill-points.ts';
import { answeredTogether, lethalDataKeys, lethalLog, lethalPool, lethalStore } from './lethal-ports.ts';
import type { Answer, FromChild, Order, ToChild } from './messages.ts';
import { contextOf } from './order-context.ts';
import { crashSettings } from './settings.ts';
import { orderOf, poolOf, type Twin } from './twins.ts';

const say = (message: FromChild) => process.send?.(message);
const kill = killSwitch();
const together = answeredTogether();
const log = createLog({ level: 'warn', write: (line) => process.stderr.write(line) });
const settings = crashSettings(process.argv[2]!, null);
const twin = process.argv[3] as Twin;

const opened = await openEngines({ settings, log, applicationName: 'plinth crash' });
const { clock, random, keyring } = opened;
const dataKeys = lethalDataKeys(opened.dataKeys, kill);
const codec = personalCodec({ dataKeys, clock, random, catalogue: eventCatalogue });
const ownLog = await openPostgresEventLog({ pool: lethalPool(poolOf(twin, opened.pool), kill), clock });
const eventLog = lethalLog(ownLog, kill, together);
const engines: Engines = {
  ...opened,
  dataKeys,
  codec,
  log: eventLog,
  ownLog,
  store: lethalStore(opened.store, kill),
  keyDeps: { log: eventLog, codec, clock, random, peppers: keyring.peppers, hotFolds: opened.hotFolds },
};
const { keyId: admin } = await bootstrap(opened);
const projector = startProjector(engines, log);
const background = await startBackground(engines, log);
const usage = new UsageRecorder({ log: eventLog, codec, clock, random, writer: engines.writer });
usage.start();
const digestKey = keyring.derive('request-digest');

async function carryOut(order: Order): Promise<Answer> {
  const { operation, target, body } = order;
  const context = contextOf(order, admin, (bytes) => requestDigest(digestKey, bytes));
  const grantor = { permissions: ['*:*'] };
  const deps = engines.keyDeps;
  const keyId = target ?? '';
  const outcome = await {
    issue: () => issueKey(deps, context, grantor, issueKeySchema.parse(body)),
    update: () => updateKey(deps, context, grantor, { ...updateKeySchema.parse(body), keyId }),
    rotate: () => rotateKey(deps, context, grantor, { ...rotateKeySchema.parse(body), keyId }),
    revoke: () => revokeKey(deps, context, { ...revokeKeySchema.parse(body), keyId }),
    'revoke-owner': () =>
      revokeOwnerKeys(deps, context, { ...revokeOwnerKeysSchema.parse(body), ownerId: keyId }),
  }[operation]();
  if (outcome.kind === 'rejected') return { kind: 'rejected', code: outcome.rejection.code };
  const id = 'keyId' in outcome.state ? outcome.state.keyId : keyId;
  if (operation !== 'revoke-owner') usage.record(DEFAULT_TENANT, id, 'VALID', 'crash', null);
  const { replayed, version, position } = outcome;
  const { secret = null } = outcome as { secret?: Secret<string> | null };
  return {
    kind: 'accepted',
    replayed,
    version,
    position,
    events: outcome.events.length,
    id,
    secret: secret?.reveal() ?? null,
  };
}

const inFlight = new Set<Promise<void>>();
let stopping = false;

async function answer(attempt: number, order: Order, again: boolean): Promise<void> {
  const result = await carryOut(orderOf(twin, order, again)).catch((error: Error): Answer => {
    return { kind: 'failed', why: `${error.name}: ${error.message}` };
  });
  say({ kind: 'answer', attempt, answer: result });
  if (result.kind === 'failed') return;
  if (together.count() > 1) kill.reach('batch-half-answered');
  if (stopping) kill.reach('shutdown-answering');
}

/** In the order in which the product closes; a command that takes too long does not hold it up. */
async function stop(): Promise<void> {
  kill.reach('shutdown-begun');
  stopping = true;
  const projected = projector.stop();
  await Promise.race([Promise.all(inFlight), projected]);
  kill.reach('shutdown-answering');
  await projected;
  kill.reach('shutdown-projecting');
  kill.reachSoon('shutdown-closing');
  await background.stop();
  await usage.close();
  await ownLog.close();
  await opened.close();
  kill.reach('shutdown-closing');
  process.exit(0);
}

process.on('message', (message: ToChild) => {
  if (message.kind === 'arm') kill.arm(message.point, message.nth, message.delayMs);
  else if (message.kind === 'stop') void stop();
  else if (!stopping) {
    const work = answer(message.attempt, message.order, message.again).finally(() => inFlight.delete(work));
    inFlight.add(work);
  }
});
process.on('disconnect', () => {
  if (!stopping) void stop();
});

say({ kind: 'ready', url: opened.embedded!.url, actor: admin });
// A process that is killed writes no cache at its end.
flushCompileCache();
while (!stopping && projector.health().some(({ state }) => state !== 'live')) await clock.sleep(20);
say({ kind: 'live' });
