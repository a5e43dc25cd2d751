/** `plinth relay restart` while commands run: a new generation of topics, with another number of partitions. */
import assert from 'node:assert/strict';
import { projectionCatalogue } from '../../projections/catalogue.ts';
import { feedDomains } from '../../projections/projection.ts';
import { plinth, until } from '../support/platform-process.ts';
import { type Cluster, PARTITIONS } from './cluster.ts';

/** What an operator does; over when it feeds every projection that Kafka may feed. */
export async function newGeneration(cluster: Cluster): Promise<void> {
  const { generations } = cluster.topics;
  const before = generations.at(-1)!;
  const wanted = before.partitions === PARTITIONS ? PARTITIONS + 1 : PARTITIONS;
  const { code, stdout, stderr } = await plinth(
    ['relay', 'restart', '--partitions', String(wanted), '--json'],
    { env: cluster.env },
  );
  assert.equal(code, 0, `plinth relay restart: ${stdout}${stderr}`);
  const { generation, partitions, position: begin } = JSON.parse(stdout);
  assert.deepEqual([generation, partitions], [before.generation + 1, wanted]);
  generations.push({ generation, partitions, begin });
  await fedByTheLast(cluster);
}

/** Until Kafka feeds all that it may, from the generation that stands. */
export async function fedByTheLast({ topics, stands }: Pick<Cluster, 'topics' | 'stands'>): Promise<void> {
  const { generation } = topics.generations.at(-1)!;
  const fed = projectionCatalogue.filter((projection) => feedDomains(projection) !== null);
  await until(`generation ${generation} feeds ${fed.map(({ name }) => name).join(' and ')}`, async () => {
    const rows = await stands().catch(() => []);
    return fed.every(({ name }) =>
      rows.some((row) => row.projection === name && row.state === 'current' && row.generation === generation),
    );
  });
}
