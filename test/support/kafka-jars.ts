/** Apache Kafka from Maven Central, in a cache folder: fetched once, used by every run after. */
import { spawn } from 'node:child_process';
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const KAFKA_VERSION = '4.1.1';
/** 43 MB over a slow line. */
const FETCH_TIMEOUT_MS = 10 * 60_000;

/** Kafka needs a binding for its logger, which its own description does not name. */
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>plinth</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`;

/** The folder that holds the jars; fetches them with Maven when they are not there yet. */
export async function kafkaJars(): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'plinth');
  const jars = join(cache, `kafka-${KAFKA_VERSION}`);
  if (await exists(jars)) return jars;
  await mkdir(cache, { recursive: true });
  const fetched = await mkdtemp(join(cache, 'fetching-'));
  try {
    await writeFile(join(fetched, 'pom.xml'), POM);
    await maven(fetched, [
      '-B',
      '-q',
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
      `-DoutputDirectory=${join(fetched, 'jars')}`,
    ]);
    // In one step, so that a folder of that name is whole. Another run may have been first.
    await rename(join(fetched, 'jars'), jars).catch(async (error: unknown) => {
      if (!(await exists(jars))) throw error;
    });
  } finally {
    await rm(fetched, { recursive: true, force: true });
  }
  return jars;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function maven(cwd: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('mvn', args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], timeout: FETCH_TIMEOUT_MS });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-2_000);
      });
    }
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`mvn ended with ${code}: ${said}`)),
    );
  });
}
