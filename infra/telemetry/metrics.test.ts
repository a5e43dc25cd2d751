import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createMetrics } from './metrics.ts';

function metrics(t: TestContext) {
  const made = createMetrics();
  t.after(() => made.close());
  return made;
}

test('requests are counted by method, route template and status, into cumulative buckets', async (t) => {
  const m = metrics(t);
  for (const seconds of [0.0005, 0.03, 0.03, 60]) {
    m.observe({ method: 'POST', route: '/v1/keys/verify', status: 200, seconds });
  }
  m.observe({ method: 'GET', route: 'unmatched', status: 404, seconds: 0.001 });
  const { body, contentType } = await m.render();
  assert.match(contentType, /openmetrics/);
  const labels = 'method="POST",route="/v1/keys/verify",status="200"';
  for (const [le, count] of [
    ['0.001', 1],
    ['0.025', 1],
    ['0.05', 3],
    ['5', 3],
    ['+Inf', 4],
  ]) {
    assert.ok(
      body.includes(`plinth_http_request_duration_seconds_bucket{${labels},le="${le}"} ${count}\n`),
      `bucket ${le}`,
    );
  }
  assert.ok(body.includes(`plinth_http_request_duration_seconds_count{${labels}} 4\n`));
  assert.ok(body.includes(`plinth_http_request_duration_seconds_sum{${labels}} 60.0605\n`));
});

test('counters end in _total once, and the text ends as OpenMetrics wants', async (t) => {
  const m = metrics(t);
  m.verified('VALID');
  m.verified('VALID');
  m.verified('REVOKED');
  await m.render();
  const { body } = await m.render();
  assert.ok(body.includes('# TYPE plinth_verify counter\n'));
  assert.ok(body.includes('plinth_verify_total{code="VALID"} 2\n'));
  assert.ok(body.includes('plinth_verify_total{code="REVOKED"} 1\n'));
  assert.ok(body.endsWith('# EOF\n'));
  assert.doesNotMatch(body, /_total_total/);
});

test('projections, pools and gauges are read when asked for, and what is unknown is left out', async (t) => {
  const m = metrics(t);
  let lagSeconds: number | null = 1.5;
  m.watch({
    pools: () => ({ main: { total: 5, idle: 3, waiting: 1 } }),
    projections: () => [
      {
        projection: 'keys',
        state: 'live',
        problem: null,
        relayStandsAt: null,
        feed: null,
        revision: 1,
        position: '',
        lagSeconds,
        parkedStreams: 2,
        events: 9,
        holder: null,
        partitions: null,
      },
    ],
    gauges: () => ({ plinth_cache_entries: 7 }),
  });
  const first = (await m.render()).body;
  assert.ok(first.includes('plinth_projection_lag_seconds{projection="keys"} 1.5\n'));
  assert.ok(first.includes('plinth_database_connections{pool="main",state="busy"} 2\n'));
  assert.ok(first.includes('plinth_cache_entries 7\n'));
  lagSeconds = null;
  assert.ok(!(await m.render()).body.includes('plinth_projection_lag_seconds{'));
});

test('the number of series is bounded: what is past it is counted as other', async (t) => {
  const m = metrics(t);
  for (let i = 0; i < 300; i++) m.noticed(`event-${i}`);
  const { body } = await m.render();
  assert.ok(body.includes('plinth_notices_total{event="other"} 200\n'));
});
