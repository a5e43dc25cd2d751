/** The documents that the API serves about itself. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type ErrorCode, errorCatalogue, PlinthError } from '../../schemas/errors.ts';
import type { OpenApiDocument } from '../openapi/document.ts';
import type { Answer, Route } from '../route.ts';

const problemDocSchema = z.strictObject({
  code: z.string(),
  type: z.string(),
  status: z.int(),
  title: z.string(),
  fix: z.string(),
});
const problemDocsSchema = z.strictObject({ problems: z.array(problemDocSchema) });
const problemParams = z.strictObject({
  code: z.string().regex(/^[a-z_]{1,40}$/, 'a code is of a-z and "_"'),
});
const example = { code: 'not_found', type: '/problems/not_found', ...errorCatalogue.not_found };

/** `document` is asked for when a request comes: it names these routes too. */
export function documentRoutes<S>(document: () => OpenApiDocument): readonly Route<S>[] {
  let text: string | undefined;
  return [
    {
      method: 'GET',
      path: '/openapi.json',
      operationId: 'openApi',
      summary: 'This document',
      description: 'OpenAPI 3.1, generated from the schemas that check the requests.',
      tag: 'Operations',
      access: { public: true },
      responses: { 200: { description: 'The document.', contentType: 'application/json' } },
      handler() {
        text ??= JSON.stringify(document());
        return { status: 200, body: text, headers: { 'content-type': 'application/json; charset=utf-8' } };
      },
    },
    {
      method: 'GET',
      path: '/problems',
      operationId: 'listProblems',
      summary: 'Every problem that can be answered',
      description: 'The closed catalogue of codes, as JSON or as a page.',
      tag: 'Operations',
      access: { public: true },
      responses: {
        200: {
          description: 'The catalogue.',
          schema: problemDocsSchema,
          contentType: 'text/html',
          example: { problems: [example] },
        },
      },
      handler(request) {
        const problems = (Object.keys(errorCatalogue) as ErrorCode[]).map(docOf);
        if (!wantsPage(request)) return { status: 200, body: { problems } };
        const items = problems.map(
          (p) =>
            `<tr><td>${p.status}</td><td><a href="${p.type}"><code>${p.code}</code></a></td><td>${marked(p.title)}</td></tr>`,
        );
        return page('Problems', `<h1>Problems</h1><table>${items.join('')}</table>`);
      },
    },
    {
      method: 'GET',
      path: '/problems/{code}',
      operationId: 'getProblem',
      summary: 'What a code means and what to do about it',
      description: 'The `type` of every problem document leads here.',
      tag: 'Operations',
      access: { public: true },
      params: problemParams,
      responses: {
        200: { description: 'The problem.', schema: problemDocSchema, contentType: 'text/html', example },
      },
      handler(request) {
        const { code } = request.params as z.infer<typeof problemParams>;
        if (!Object.hasOwn(errorCatalogue, code))
          throw new PlinthError('not_found', 'There is no such code.');
        const problem = docOf(code as ErrorCode);
        if (!wantsPage(request)) return { status: 200, body: problem };
        return page(
          problem.title,
          `<h1>${marked(problem.title)}</h1><p><code>${problem.code}</code>, status ${problem.status}</p>` +
            `<h2>What to do</h2><p>${marked(problem.fix)}</p><p><a href="/problems">All problems</a></p>`,
        );
      },
    },
  ];
}

function docOf(code: ErrorCode): z.infer<typeof problemDocSchema> {
  return { code, type: `/problems/${code}`, ...errorCatalogue[code] };
}

/** Browsers name text/html first; whoever does not care gets JSON. */
function wantsPage(request: { readonly accept: string }): boolean {
  return /^\s*text\/html\b/.test(request.accept);
}

const STYLE =
  'body{font:1rem/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}' +
  'td{padding:.25rem 1rem .25rem 0;vertical-align:top}code{background:#f0f0f0;padding:.1rem .3rem;border-radius:3px}';
const PAGE_CSP = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

function page(title: string, content: string): Answer {
  return {
    status: 200,
    body: `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title} · Plinth</title><style>${STYLE}</style><body>${content}</body></html>`,
    headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': PAGE_CSP },
  };
}

function marked(text: string): string {
  return text
    .replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]!)
    .replace(/`([^`]+)`/g, '<code>$1</code>');
}
