/**
 * Hostile and damaged requests over every route of the document: none may be answered with 500 or more,
 * none may hang, and every refusal is a problem of the catalogue. Repeat a run with `FUZZ_SEED`.
 */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { InjectOptions } from 'fastify';
import { errorCatalogue } from '../schemas/errors.ts';
import { damaged, hostileValues } from '../test/support/hostile-values.ts';
import { ofrepFault } from '../test/support/ofrep-rules.ts';
import { answerChecker } from '../test/support/openapi-answers.ts';
import { type Operation, operationsOf } from '../test/support/openapi-operations.ts';
import { type ValueMaker, valueMaker } from '../test/support/openapi-values.ts';
import { bodyOf, rawHttp, statusOf } from '../test/support/raw-http.ts';
import { type RunningApp, runningApp } from '../test/support/running-app.ts';
import { type SeededRandom, seededRandom } from '../test/support/seeded-random.ts';

const REQUESTS = 5_200;
const RAW_REQUESTS = 150;
const AT_ONCE = 8;
/** A request that takes longer hangs. Far above what any takes, for slow machines. */
const HANG_MS = 30_000;
/** Of an operation that takes seconds, so many are let through; the others stop at the credential. */
const MAX_SLOW_REQUESTS = 4;

const seed = Number(process.env.FUZZ_SEED ?? 20_260_301);

describe('hostile requests', () => {
  let running: RunningApp;
  let operations: readonly Operation[];
  let maker: ValueMaker;
  const random = seededRandom(seed);
  const cleanups: (() => unknown)[] = [];

  before(async () => {
    running = await runningApp({ after: (fn) => cleanups.push(fn) });
    operations = operationsOf(running.document);
    const pool = [running.key];
    for (let i = 0; i < 10; i++) {
      const name = `fuzz ${i}`;
      pool.push({
        ...running.key,
        ...(await running.issue({ name, ownerId: `owner-${i}` })),
        ownerId: `owner-${i}`,
      });
    }
    maker = valueMaker(running.document, random, seed, (name, schema) => {
      if (/^\^key_/.test(String(schema.pattern ?? ''))) return random.pick(pool).id;
      if (/^\^tnt_/.test(String(schema.pattern ?? ''))) return running.other.tenantId;
      if (name === 'ownerId') return random.pick(pool).ownerId;
      if (name === 'key' && schema.type === 'string') return random.pick(pool).secret;
      // Wildcards and platform rights would be refused for good reason, every time.
      return undefined;
    });
  });
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  test(`${REQUESTS} requests: no answer of 500 or more, none without end (seed ${seed})`, async (t) => {
    t.diagnostic(`FUZZ_SEED=${seed}`);
    const check = answerChecker(running.document);
    const seen = new Map<number, number>();
    const reached = new Set<string>();
    let sent = 0;
    let slow = 0;
    const worker = async () => {
      while (sent < REQUESTS) {
        const operation = operations[sent++ % operations.length]!;
        const request = fuzzed(operation, random, maker, secretFor(operation, running));
        if (operation.seconds > 0 && ++slow > MAX_SLOW_REQUESTS) delete request.headers!.authorization;
        const answer = await bounded(running.app.inject(request), request);
        const what = `seed ${seed}: ${JSON.stringify(request).slice(0, 1_500)} → ${answer.statusCode} ${answer.payload.slice(0, 500)}`;
        assert.ok(answer.statusCode < 500, what);
        if (answer.statusCode >= 400)
          demandProblem(answer.statusCode, answer.headers, answer.payload, request, what);
        else {
          if (request.method === operation.method) {
            reached.add(operation.operationId);
            check(operation, answer.statusCode, String(answer.headers['content-type']), answer.payload, what);
          }
        }
        seen.set(answer.statusCode, (seen.get(answer.statusCode) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    t.diagnostic(
      `answers by status: ${JSON.stringify(Object.fromEntries([...seen].sort(([a], [b]) => a - b)))}`,
    );
    t.diagnostic(`${reached.size} of ${operations.length} operations answered 2xx`);
    assert.ok(sent >= REQUESTS);
    // A fuzz that is always refused at the door tests the door.
    const missed = operations.filter((o) => !reached.has(o.operationId)).map((o) => o.operationId);
    assert.ok(reached.size >= operations.length * 0.8, `never answered 2xx: ${missed.join(', ')}`);
  });

  test(`${RAW_REQUESTS} broken requests on raw sockets end in a refusal or a closed connection (seed ${seed})`, async () => {
    await running.app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = running.app.server.address() as AddressInfo;
    for (let i = 0; i < RAW_REQUESTS; i += AT_ONCE) {
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          const bytes = brokenBytes(random, random.pick(operations), running.admin.secret);
          const answer = await rawHttp(port, bytes, (text) => complete(text));
          if (answer === '') return;
          const status = statusOf(answer);
          assert.ok(
            status > 0 && status < 500,
            `${JSON.stringify(bytes.slice(0, 500))} → ${answer.slice(0, 500)}`,
          );
          if (status >= 400 && !/^\w+ +\/ofrep\//.test(bytes)) {
            const code = String(bodyOf(answer)?.code);
            assert.ok(
              Object.hasOwn(errorCatalogue, code),
              `${JSON.stringify(bytes.slice(0, 500))} → ${answer}`,
            );
          }
        }),
      );
    }
    assert.equal((await fetch(`http://127.0.0.1:${port}/livez`)).status, 200);
  });
});

async function bounded<T>(answer: Promise<T>, request: InjectOptions): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const hung = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`hangs: ${JSON.stringify(request).slice(0, 1_000)}`)), HANG_MS);
  });
  try {
    return await Promise.race([answer, hung]);
  } finally {
    clearTimeout(timer);
  }
}

function demandProblem(
  status: number,
  headers: Record<string, unknown>,
  payload: string,
  request: InjectOptions,
  what: string,
): void {
  if (String(request.url).startsWith('/ofrep/')) {
    if (request.method === 'HEAD') return;
    const endpoint = /\/flags\/[^/?]+(?:\?|$)/.test(String(request.url)) ? 'single' : 'bulk';
    assert.equal(ofrepFault(endpoint, status, payload), null, what);
    return;
  }
  assert.equal(headers['content-type'], 'application/problem+json', what);
  if (request.method === 'HEAD') return;
  const problem = JSON.parse(payload) as { code: string; status: number; errors?: { field: string }[] };
  assert.ok(Object.hasOwn(errorCatalogue, problem.code), what);
  assert.equal(problem.status, status, what);
  for (const fault of problem.errors ?? []) assert.ok(fault.field.length > 0, what);
}

function secretFor({ forFlagsKeys }: Operation, { admin, flagsKey }: RunningApp): string {
  return forFlagsKeys ? flagsKey.secret : admin.secret;
}

function fuzzed(
  operation: Operation,
  random: SeededRandom,
  maker: ValueMaker,
  secret: string,
): InjectOptions {
  const headers: Record<string, string> = { authorization: `Bearer ${secret}` };
  const odd = () => String(random.pick(hostileValues.filter((v) => typeof v === 'string')));
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const parameter = operation.parameters.find((p) => p.in === 'path' && p.name === name)!;
    if (random.chance(0.15))
      return random.chance(0.3)
        ? odd()
            .slice(0, 900)
            .replace(/[^\x21-\x7e]/g, '%EF')
        : escaped(odd());
    // What the document shows, a running house has.
    const examples = (parameter.schema.examples ?? []) as readonly unknown[];
    const known = examples.length > 0 && random.chance(0.7);
    return escaped(String(known ? random.pick(examples) : maker.valid(parameter.schema)));
  });
  const query: string[] = [];
  for (const parameter of operation.parameters) {
    if (parameter.in === 'query' && (parameter.required || random.chance(0.4))) {
      const value = random.chance(0.3) ? odd().slice(0, 500) : String(maker.valid(parameter.schema));
      query.push(`${parameter.name}=${escaped(value)}`);
      if (random.chance(0.05)) query.push(`${parameter.name}=twice`);
    }
    if (parameter.in === 'header' && random.chance(0.15)) {
      const value = random.chance(0.5) ? odd() : String(maker.valid(parameter.schema));
      headers[parameter.name] = headerText(value);
    }
  }
  if (random.chance(0.05)) query.push(`${escaped(odd()).slice(0, 100)}=${escaped(odd()).slice(0, 100)}`);
  for (const name of [
    'accept',
    'content-type',
    'traceparent',
    'if-match',
    'x-forwarded-for',
    'expect',
    'origin',
  ]) {
    if (random.chance(0.02)) headers[name] = headerText(odd());
  }
  if (random.chance(0.03))
    headers.authorization = headerText(random.pick(['', 'Bearer', `Bearer ${odd()}`, 'Basic eA==', odd()]));
  const request: InjectOptions = {
    method: random.chance(0.03)
      ? random.pick(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'])
      : operation.method,
    url: query.length > 0 ? `${path}?${query.join('&')}` : path,
    headers,
  };
  if (operation.body && request.method !== 'GET' && request.method !== 'HEAD') {
    headers['content-type'] ??= random.chance(0.03)
      ? random.pick(['text/plain', 'application/xml', 'application/json; charset=utf-16'])
      : 'application/json';
    request.payload = payload(operation, random, maker);
  }
  return request;
}

function payload(operation: Operation, random: SeededRandom, maker: ValueMaker): string | Buffer {
  const base =
    operation.bodyExample !== undefined && random.chance(0.3)
      ? operation.bodyExample
      : maker.valid(operation.body!);
  if (random.chance(0.35)) return JSON.stringify(base);
  if (random.chance(0.85)) return JSON.stringify(damaged(base, random)) ?? '';
  const text = JSON.stringify(base);
  switch (random.below(7)) {
    case 0:
      return text.slice(0, random.below(text.length));
    case 1:
      return Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from([0xff, 0xfe, 0x7d])]);
    case 2:
      return '['.repeat(1 + random.below(30_000));
    case 3:
      return `{"a":${'{"a":'.repeat(31)}1${'}'.repeat(32)}`;
    case 4:
      return text.replace('{', '{"__proto__":{"x":1},');
    case 5:
      return `\ufeff${text}`;
    default:
      return `"${'x'.repeat(80_000)}"`;
  }
}

function escaped(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .slice(0, 3_000)
    .replace(/%[0-9A-F]?$/, '');
}

/** What a client library lets through as a header. */
function headerText(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 2_000)
    .trim();
}

/** The connection is closed by us as soon as one whole answer is there. */
function complete(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  if (/^HTTP\/1\.1 1\d\d/.test(text)) return complete(text.slice(end + 4));
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end + 2));
  return length !== null && Buffer.byteLength(text.slice(end + 4)) >= Number(length[1]);
}

function brokenBytes(random: SeededRandom, operation: Operation, secret: string): string {
  const path = operation.path.replace(/\{\w+\}/g, 'x');
  const host = 'host: localhost\r\n';
  const auth = `authorization: Bearer ${secret}\r\n`;
  const json = 'content-type: application/json\r\nconnection: close\r\n';
  const head = `${operation.method} ${path} HTTP/1.1\r\n${host}${auth}${json}`;
  return random.pick([
    () => `${head}content-length: 2\r\ncontent-length: 4\r\n\r\n{}`,
    () => `${head}content-length: -1\r\n\r\n{}`,
    () => `${head}content-length: 99999999999999999999\r\n\r\n{}`,
    () => `${head}content-length: 2\r\n\r\n{"a":"longer than stated"}`,
    () => `${head}transfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\n{}\r\n0\r\n\r\n`,
    () => `${head}transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    () => `${head}transfer-encoding: gzip\r\n\r\n{}`,
    () => `${head}transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    () => `${head}content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}`,
    () => `${head}${Array.from({ length: 3_000 }, (_, i) => `x-${i}: y\r\n`).join('')}\r\n`,
    () => `${head}x: ${'y'.repeat(40_000)}\r\n\r\n`,
    () => `${head}bad header: 1\r\n\r\n`,
    () => `${head}x: a\u0000b\r\n\r\n`,
    () => `${operation.method} ${path}?${'q'.repeat(12_000)} HTTP/1.1\r\n${host}${auth}${json}\r\n`,
    () => `${operation.method} ${path} HTTP/9.9\r\n${host}\r\n`,
    () => `${operation.method} ${path}\r\n\r\n`,
    () => `${operation.method}  ${path} HTTP/1.1\r\n${host}\r\n`,
    () => `GET http://[::1 HTTP/1.1\r\n${host}${json}\r\n`,
    () => `GET //evil.example/%2e%2e/ HTTP/1.1\r\n${host}${json}\r\n`,
    () => `GET * HTTP/1.1\r\n${host}${json}\r\n`,
    () => `OPTIONS * HTTP/1.1\r\n${host}${json}\r\n`,
    () => `TRACE ${path} HTTP/1.1\r\n${host}${auth}${json}\r\n`,
    () => `CONNECT localhost:443 HTTP/1.1\r\n${host}\r\n`,
    () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    () => `${String.fromCharCode(...Array.from({ length: 64 }, () => random.below(128)))}\r\n\r\n`,
  ])();
}
