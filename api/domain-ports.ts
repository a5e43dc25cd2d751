/** The commands and looks back that the routes offer, as they call them. */
import type { CommandContext } from '../commands/execute.ts';
import type {
  DisableKey,
  EnableKey,
  ImportKeys,
  IssueKey,
  ReportLeak,
  RevokeKey,
  RevokeKeys,
  RevokeOwnerKeys,
  RotateKey,
  SetCredits,
  UpdateKey,
} from '../schemas/commands/keys.ts';
import type {
  CreateTenant,
  IssueAdminKey,
  ResumeTenant,
  SuspendTenant,
} from '../schemas/commands/tenants.ts';
import type { ExplainVerify } from '../schemas/commands/verify.ts';
import type { Position, TenantId } from '../schemas/envelope.ts';
import type {
  ExplanationView,
  ImportedKeysView,
  IssuedKeyView,
  KeyHistoryView,
  KeyView,
  LeakView,
  OwnerRevocationView,
  RevokedKeysView,
} from '../schemas/views/keys.ts';
import type { TenantView } from '../schemas/views/tenants.ts';
import type { Caller } from './deps.ts';

/** Who commands, in which context, and which version of the thing it saw (`If-Match`). */
export interface Call {
  readonly context: CommandContext;
  readonly caller: Caller;
  readonly ifVersion: number | undefined;
}
/** For commands that reach several streams: each is a target of its own. */
export type CallAt = (target: string) => Call;

/** A command that was accepted. Refusals are thrown as `PlinthError`. */
export interface Done<V> {
  readonly view: V;
  /** Version of the thing; absent where the answer is about several. */
  readonly version?: number;
  /** Position of the command's last event; null when it changed nothing. */
  readonly position: Position | null;
  readonly replayed: boolean;
}

export interface KeyCommands {
  issue(call: Call, input: IssueKey): Promise<Done<IssuedKeyView>>;
  update(call: Call, keyId: string, input: UpdateKey): Promise<Done<KeyView>>;
  rotate(call: Call, keyId: string, input: RotateKey): Promise<Done<IssuedKeyView>>;
  revoke(call: Call, keyId: string, input: RevokeKey): Promise<Done<KeyView>>;
  disable(call: Call, keyId: string, input: DisableKey): Promise<Done<KeyView>>;
  enable(call: Call, keyId: string, input: EnableKey): Promise<Done<KeyView>>;
  setCredits(call: Call, keyId: string, input: SetCredits): Promise<Done<KeyView>>;
  revokeMany(at: CallAt, input: RevokeKeys): Promise<Done<RevokedKeysView>>;
  importMany(at: CallAt, input: ImportKeys): Promise<Done<ImportedKeysView>>;
  reportLeak(at: CallAt, input: ReportLeak): Promise<Done<LeakView>>;
  revokeOwner(call: Call, ownerId: string, input: RevokeOwnerKeys): Promise<Done<OwnerRevocationView>>;
}

/** `asOf`: RFC 3339, or a position token as answers carry it. Throws `not_found`, `epoch_gone`. */
export interface KeyPast {
  keyAsOf(tenant: TenantId, keyId: string, asOf: string): Promise<KeyView>;
  history(
    tenant: TenantId,
    keyId: string,
    page: { readonly after: number; readonly limit: number },
  ): Promise<{ readonly changes: KeyHistoryView['changes']; readonly next: number | null }>;
  explain(tenant: TenantId, question: ExplainVerify): Promise<ExplanationView>;
}

export interface TenantCommands {
  create(call: Call, input: CreateTenant): Promise<Done<TenantView>>;
  suspend(call: Call, tenantId: string, input: SuspendTenant): Promise<Done<TenantView>>;
  resume(call: Call, tenantId: string, input: ResumeTenant): Promise<Done<TenantView>>;
  issueAdminKey(call: Call, tenantId: string, input: IssueAdminKey): Promise<Done<IssuedKeyView>>;
}
