/** Each member of a consumer group says which process it is; whoever describes the group reads it there. */
import type { Admin, PartitionAssigner } from 'kafkajs';
import { processName } from '../process-name.ts';
import { kafkajs } from './kafkajs.ts';

const { AssignerProtocol, PartitionAssigners } = kafkajs;
/** Others may say what they like. */
const MAX_NAME_CHARS = 100;

/** Platforms that share a broker are told apart by it, as in the names of topics. */
export function groupIdOf(prefix: string, group: string): string {
  return `${prefix}.${group}`;
}

/** The assigner that members have by default, under its own name: a group may hold older ones. */
export const assignerThatTells: PartitionAssigner = (of) => {
  const assigner = PartitionAssigners.roundRobin(of);
  return {
    ...assigner,
    protocol: ({ topics }) => ({
      name: assigner.name,
      metadata: AssignerProtocol.MemberMetadata.encode({
        version: assigner.version,
        topics,
        userData: Buffer.from(processName()),
      }),
    }),
  };
};

/** The processes in the group, each once; empty: nobody is. A member that does not say is told by its address. */
export async function groupProcesses(admin: Admin, groupId: string): Promise<readonly string[]> {
  const { groups } = await admin.describeGroups([groupId]);
  const names = groups.flatMap(({ members }) =>
    members.map(({ memberMetadata, clientHost }) => {
      // Until the group has settled it shows no metadata.
      const told =
        memberMetadata.length === 0 ? null : AssignerProtocol.MemberMetadata.decode(memberMetadata);
      const name = told?.userData.toString() || `a process at ${clientHost.replace(/^\//, '')}`;
      return name.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_NAME_CHARS);
    }),
  );
  return [...new Set(names)].sort();
}
