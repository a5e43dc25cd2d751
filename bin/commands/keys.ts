/** `plinth keys …`: over HTTP, with the same permissions as any other caller. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import type { IssueKeyRequest, Key, KeyListItem, NamedLimit } from '../../clients/node/index.ts';
import { Failure } from '../failure.ts';
import { environmentOf, takesEnvironment } from '../flags/where.ts';
import { parseJson } from '../json-option.ts';
import { printFields, printJson, printTable } from '../output.ts';
import { remoteClient } from '../remote.ts';
import { wholeNumber } from '../whole-number.ts';

const MAX_IMPORTED = 100;
const MAX_LISTED_KEYS = 1_000_000;

const listColumns: Readonly<Record<string, (key: KeyListItem) => unknown>> = {
  id: (key) => key.id,
  status: (key) => key.status,
  name: (key) => key.name,
  owner: (key) => key.ownerId,
  scopes: (key) => key.scopes,
  created: (key) => key.createdAt,
  'last used': (key) => key.lastUsedAt,
};

interface Json {
  readonly json?: boolean;
}

export function addKeyCommands(program: Command): void {
  const keys = program
    .command('keys')
    .description('Issue, look at, change and revoke API keys')
    .addHelpText(
      'after',
      `
Examples:
  $ plinth keys issue --name "billing" --owner customer-42 --scope invoices:read --limit burst=100/60
  $ plinth keys issue --use flags-server --project shop --environment production
  $ plinth keys list --owner customer-42 --status active
  $ plinth keys verify plinth_live_… --scope invoices:read
  $ plinth keys get key_… --as-of 2026-11-17T14:03:00Z`,
    );
  const verb = (name: string, description: string) =>
    keys.command(name).description(description).option('--json', 'print JSON');

  takesEnvironment(verb('issue', 'Issue a key; its secret is printed once'))
    .option(
      '--use <use>',
      'api (verified by your services), management (calls Plinth), flags-server or flags-client (ask for the flags of an environment)',
      'api',
    )
    .option('--mode <mode>', 'live or test', 'live')
    .option('--name <name>')
    .option('--owner <id>', 'opaque id of who the key belongs to')
    .option('--scope <scope...>', 'what the key may do')
    .option('--permission <permission...>', 'of a management key, e.g. keys:verify')
    .option('--limit <name=units/seconds...>', 'e.g. burst=100/60', limits)
    .option('--credits <units>', 'balance to spend', wholeNumber(0, 1_000_000_000_000))
    .option('--expires-at <time>', 'RFC 3339')
    .option('--not-before <time>', 'RFC 3339')
    .option('--allow-ip <range...>', 'address or CIDR')
    .option('--metadata <json>', 'a JSON object', parseJson)
    .option('--idempotency-key <key>', 'repeat it to retry')
    .action(async (o) => {
      const request = {
        use: o.use,
        mode: o.mode,
        ...(readsFlags(o) && { environment: environmentOf(o) }),
        ...(o.name && { name: o.name }),
        ...(o.owner && { ownerId: o.owner }),
        ...(o.scope && { scopes: o.scope }),
        ...(o.permission && { permissions: o.permission }),
        ...(o.limit && { limits: o.limit }),
        ...(o.credits !== undefined && { credits: { remaining: o.credits, refill: null } }),
        ...(o.expiresAt && { expiresAt: o.expiresAt }),
        ...(o.notBefore && { notBefore: o.notBefore }),
        ...(o.allowIp && { allowedIps: o.allowIp }),
        ...(o.metadata && { metadata: o.metadata }),
      } as IssueKeyRequest;
      const issued = await remoteClient().issueKey(
        request,
        o.idempotencyKey ? { idempotencyKey: o.idempotencyKey } : {},
      );
      if (o.json) return printJson(issued);
      printKey(o, issued.key);
      console.log(
        issued.secret === null
          ? '\nIssued before: the secret was told then.'
          : `\n${issued.secret}\nThis is the secret. It is not shown again.`,
      );
    });

  verb('list', 'List keys, newest first')
    .option('--owner <id>')
    .option('--status <status>', 'active, disabled, revoked, expired or not_yet_valid')
    .option('--use <use>')
    .option('--scope <scope>')
    .option('--used-from <time>', 'verified at this time or later, RFC 3339')
    .option('--search <text>', 'part of the name, or the start of the id')
    .option('--max <n>', 'at most so many', wholeNumber(1, MAX_LISTED_KEYS), 100)
    .action(async (o) => {
      const { owner: ownerId, status, use, scope, usedFrom, search: q } = o;
      const filter = { ownerId, status, use, scope, usedFrom, q };
      await printTable(
        o,
        remoteClient().listKeys(
          Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined)),
        ),
        listColumns,
        o.max,
      );
    });

  verb('unused', 'Active keys that your services were never shown, or not for long')
    .option('--days <n>', 'not verified since, and issued before, so many days', wholeNumber(1, 999), 90)
    .option('--max <n>', 'at most so many', wholeNumber(1, MAX_LISTED_KEYS), 100)
    .action(async (o) => {
      await printTable(o, remoteClient().unusedKeys({ days: o.days }), listColumns, o.max);
    });

  verb('get <id>', 'Show a key, as it is or as it was')
    .option('--as-of <time>', 'RFC 3339, or a position')
    .action(async (id: string, o) =>
      printKey(o, await remoteClient().getKey(id, o.asOf ? { asOf: o.asOf } : {})),
    );

  verb('rotate <id>', 'Give a key a new secret; the old one stays good for the overlap')
    .option('--overlap <seconds>', '0 to 2592000', wholeNumber(0, 2_592_000), 86_400)
    .action(async (id: string, o) => {
      const rotated = await remoteClient().rotateKey(id, { overlapSeconds: o.overlap });
      if (o.json) return printJson(rotated);
      printKey(o, rotated.key);
      console.log(`\n${rotated.secret}\nThis is the new secret. It is not shown again.`);
    });

  verb('revoke [ids...]', 'Revoke keys at once and for good: by id, or all of an owner')
    .option('--owner <id>', 'all keys that this owner has now')
    .option('--reason <text>')
    .action(async (ids: string[], o) => {
      const reason = { reason: o.reason ?? null };
      if (o.owner) return printFields(o, await remoteClient().revokeOwnerKeys(o.owner, reason));
      if (ids.length === 0) throw new Failure('Name the keys to revoke, or --owner.');
      const { results } = await remoteClient().revokeKeys({ keyIds: ids, ...reason });
      await printTable(o, results, {
        key: (r) => r.keyId,
        outcome: (r) => ('error' in r ? `${r.error.code}: ${r.error.detail}` : `revoked at ${r.revokedAt}`),
      });
      if (results.some((result) => 'error' in result)) process.exitCode = 1;
    });

  for (const name of ['disable', 'enable'] as const) {
    verb(
      `${name} <id>`,
      name === 'disable' ? 'Switch a key off, until it is enabled' : 'Switch a disabled key on again',
    )
      .option('--reason <text>')
      .action(async (id: string, o) =>
        printKey(o, await remoteClient()[`${name}Key`](id, { reason: o.reason ?? null })),
      );
  }

  verb('verify [key]', 'Ask whether a key is good; reads the key from standard input when it is left out')
    .option('--scope <scope...>', 'all of these are needed')
    .option('--ip <address>', 'of who presents it')
    .action(async (key: string | undefined, o) => {
      const text = (key ?? readFileSync(0, 'utf8')).trim();
      const verdict = await remoteClient().verify({
        key: text,
        ...(o.scope && { scopes: o.scope }),
        ...(o.ip && { ip: o.ip }),
      });
      printFields(o, verdict);
      if (!verdict.valid) process.exitCode = 2;
    });

  verb('explain <id>', 'What a verify would have answered at a time or position, and why')
    .requiredOption('--as-of <time>', 'RFC 3339, or a position')
    .option('--scope <scope...>')
    .option('--ip <address>')
    .action(async (id: string, o) => {
      const told = await remoteClient().explain({
        keyId: id,
        asOf: o.asOf,
        ...(o.scope && { scopes: o.scope }),
        ...(o.ip && { ip: o.ip }),
      });
      if (o.json) return printJson(told);
      console.log(`${told.code} at ${told.at}`);
      for (const check of told.checks)
        console.log(`  ${check.passed ? 'passed' : 'FAILED'}  ${check.name}: ${check.detail}`);
    });

  verb('history <id>', 'What happened to a key, oldest first').action(async (id: string, o) => {
    await printTable(o, remoteClient().keyHistory(id), {
      at: (c) => c.at,
      change: (c) => c.type,
      actor: (c) => c.actor,
      reason: (c) => c.reason,
      fields: (c) =>
        c.changes.map((f) => `${f.field}: ${JSON.stringify(f.before)} → ${JSON.stringify(f.after)}`),
    });
  });

  verb('usage <id>', 'How often a key was verified, over time')
    .option('--interval <interval>', 'minute, hour or day', 'hour')
    .option('--from <time>')
    .option('--to <time>')
    .action(async (id: string, o) => {
      const usage = await remoteClient().keyUsage(id, {
        interval: o.interval,
        ...(o.from && { from: o.from }),
        ...(o.to && { to: o.to }),
      });
      if (o.json) return printJson(usage);
      await printTable(o, usage.points, {
        at: (p) => p.at,
        counts: (p) => Object.entries(p.counts).map(([code, count]) => `${code} ${count}`),
      });
    });

  verb('leaked [key]', 'Which key is this? Reads it from standard input when it is left out')
    .option('--source <text>', 'where it was found')
    .option('--revoke', 'revoke it at once')
    .action(async (key: string | undefined, o) => {
      const text = (key ?? readFileSync(0, 'utf8')).trim();
      const leak = await remoteClient().reportLeak({
        key: text,
        source: o.source ?? null,
        revoke: o.revoke === true,
      });
      if (o.json) return printJson(leak);
      printKey(o, leak.key);
      console.log(
        `\nThe text is its ${leak.secret} secret; ${leak.revoked ? 'the key is revoked.' : 'the key was not revoked (--revoke does).'}`,
      );
    });

  verb(
    'import <file>',
    'Import keys issued elsewhere: a file with one key text or SHA-256 a line, or - for standard input',
  )
    .option('--owner <id>')
    .option('--scope <scope...>')
    .action(async (file: string, o) => {
      const lines = readFileSync(file === '-' ? 0 : file, 'utf8')
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean);
      const client = remoteClient();
      const all: { line: number; outcome: string }[] = [];
      for (let from = 0; from < lines.length; from += MAX_IMPORTED) {
        const part = lines.slice(from, from + MAX_IMPORTED);
        const { results } = await client.importKeys({
          keys: part.map((line) => ({
            digest: {
              algorithm: 'sha256' as const,
              value: /^[0-9a-f]{64}$/.test(line) ? line : createHash('sha256').update(line).digest('hex'),
            },
            ...(o.owner && { ownerId: o.owner }),
            ...(o.scope && { scopes: o.scope }),
          })),
        });
        all.push(
          ...results.map((r) => ({
            line: from + r.index + 1,
            outcome: 'error' in r ? `${r.error.code}: ${r.error.detail}` : r.keyId,
          })),
        );
      }
      await printTable(o, all, { line: (r) => r.line, outcome: (r) => r.outcome });
    });
}

function printKey(options: Json, key: Key): void {
  if (options.json) {
    printJson(key);
    return;
  }
  const { secrets, ...fields } = key;
  printFields(options, {
    ...fields,
    secrets: secrets.map((s) => `…${s.hint ?? ''}${s.validUntil ? ` until ${s.validUntil}` : ''}`),
  });
}

/** Settings name a project and an environment for other verbs too: they count for keys of flags readers alone. */
function readsFlags(o: { readonly use: string; readonly project?: string; readonly environment?: string }) {
  return o.use.startsWith('flags-') || o.project !== undefined || o.environment !== undefined;
}

function limits(text: string, before: NamedLimit[] = []): NamedLimit[] {
  const match = /^([a-z][a-z0-9_-]*)=(\d+)\/(\d+)$/.exec(text);
  if (!match) throw new InvalidArgumentError('Write it as name=units/seconds, e.g. burst=100/60.');
  return [...before, { name: match[1]!, limit: Number(match[2]), windowSeconds: Number(match[3]) }];
}
