/**
 * Whether the role in this container can do its work: ends with 0 if so. Loads nothing, for it runs every
 * few seconds.
 */
const port = process.env.PLINTH_HEALTH_PORT ?? process.env.PLINTH_PORT;
const TIMEOUT_MS = 4_000;

try {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  console.log(await answer.text());
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  console.log(String(error));
  process.exitCode = 1;
}

export {};
