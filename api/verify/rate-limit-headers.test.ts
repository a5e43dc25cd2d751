import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rateLimitHeaders } from './rate-limit-headers.ts';

const burst = { name: 'burst', limit: 100, windowSeconds: 60, remaining: 50, resetSeconds: 30 };
const daily = { name: 'daily', limit: 1000, windowSeconds: 86_400, remaining: 0, resetSeconds: 86_000 };

describe('the rate limit fields', () => {
  it('list every limit that was judged', () => {
    assert.deepEqual(rateLimitHeaders({ limits: [burst, daily], retryAfterSeconds: null }), {
      RateLimit: '"burst";r=50;t=30,"daily";r=0;t=86000',
      'RateLimit-Policy': '"burst";q=100;w=60,"daily";q=1000;w=86400',
    });
  });

  it('never let Retry-After precede t', () => {
    const headers = rateLimitHeaders({ limits: [burst, daily], retryAfterSeconds: 87 });
    assert.equal(headers['Retry-After'], '87');
    assert.equal(headers.RateLimit, '"burst";r=50;t=30,"daily";r=0;t=87');
  });

  it('are absent when no limit was judged', () => {
    assert.deepEqual(rateLimitHeaders({ limits: [], retryAfterSeconds: null }), {});
  });
});
