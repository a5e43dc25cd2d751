/** The calls to the API that are about projects, environments and flags. */
import type { z } from 'zod';
import type { WriteOptions } from '../../clients/node/index.ts';
import type {
  createEnvironmentSchema,
  createFlagSchema,
  UpdateFlag,
} from '../../schemas/commands/projects.ts';
import type { When } from '../../schemas/flag-values.ts';
import type { JsonObject } from '../../schemas/json.ts';
import type {
  createdFlagViewSchema,
  EnvironmentFlagView,
  EnvironmentView,
  FlagExplanationView,
  FlagInEnvironmentView,
  FlagView,
  flagHistoryViewSchema,
  flagListItemSchema,
  ProjectView,
} from '../../schemas/views/flags.ts';
import { remoteCalls } from '../remote.ts';

type Named<T> = T & { readonly name: string | null };
export type ListedFlag = Named<z.infer<typeof flagListItemSchema>> & { readonly description: string | null };
export type ProjectWithEnvironments = Named<ProjectView> & {
  readonly environments: readonly Named<EnvironmentView>[];
};
export type FlagChange = z.infer<typeof flagHistoryViewSchema>['changes'][number];

export interface InProject {
  readonly project: string;
}
export interface InEnvironment extends InProject {
  readonly environment: string;
}

const projectPath = (project: string) => `/v1/projects/${encodeURIComponent(project)}`;
const environmentPath = ({ project, environment }: InEnvironment) =>
  `${projectPath(project)}/environments/${encodeURIComponent(environment)}`;
const flagPath = ({ project }: InProject, flag: string) =>
  `${projectPath(project)}/flags/${encodeURIComponent(flag)}`;
const flagThere = (at: InEnvironment, flag: string) =>
  `${environmentPath(at)}/flags/${encodeURIComponent(flag)}`;
const segmentPath = (at: InEnvironment, segment: string) =>
  `${environmentPath(at)}/segments/${encodeURIComponent(segment)}`;

/** What changes a flag where it is in one environment; each answers with the flag as it left it. */
export type FlagVerb = 'changes' | 'on' | 'off' | 'kill' | 'rollback' | 'copy' | 'archive' | 'restore';

export type FlagsApi = ReturnType<typeof flagsApi>;

export function flagsApi() {
  const calls = remoteCalls();
  const read = async <T>(path: string) => (await calls.get<T>(path, {}, {})).body;
  return {
    createProject: (project: string, name: string | null) =>
      calls.write<{ project: string; version: number }>('POST', '/v1/projects', { project, name }),
    listProjects: () => calls.pages<Named<ProjectView>>('/v1/projects', 'projects', {}, {}),
    getProject: (project: string) => read<ProjectWithEnvironments>(projectPath(project)),
    createEnvironment: (project: string, body: z.input<typeof createEnvironmentSchema>) =>
      calls.write<JsonObject>('POST', `${projectPath(project)}/environments`, body),
    setApprovals: (at: InEnvironment, approvalsRequired: number) =>
      calls.write<EnvironmentView>('PATCH', environmentPath(at), { approvalsRequired }),

    createFlag: (project: string, body: z.input<typeof createFlagSchema>, options?: WriteOptions) =>
      calls.write<z.infer<typeof createdFlagViewSchema>>(
        'POST',
        `${projectPath(project)}/flags`,
        body,
        options,
      ),
    updateFlag: (at: InProject, flag: string, body: UpdateFlag, options?: WriteOptions) =>
      calls.write<FlagView>('PATCH', flagPath(at, flag), body, options),
    listFlags: ({ project }: InProject, filter: { readonly lifecycle?: string; readonly q?: string } = {}) =>
      calls.pages<ListedFlag>(`${projectPath(project)}/flags`, 'flags', { ...filter }, {}),
    getFlag: (at: InProject, flag: string) => read<ListedFlag>(flagPath(at, flag)),

    listEnvironmentFlags: (at: InEnvironment) =>
      calls.pages<EnvironmentFlagView>(`${environmentPath(at)}/flags`, 'flags', {}, {}),
    getFlagInEnvironment: (at: InEnvironment, flag: string) =>
      read<FlagInEnvironmentView>(flagThere(at, flag)),
    act: (at: InEnvironment, flag: string, verb: FlagVerb, body: object, options?: WriteOptions) =>
      calls.write<FlagInEnvironmentView>('POST', `${flagThere(at, flag)}/${verb}`, body, options),
    history: (at: InEnvironment, flag: string) =>
      calls.pages<FlagChange>(`${flagThere(at, flag)}/history`, 'changes', {}, {}),
    explain: async (at: InEnvironment, flag: string, body: object) =>
      (await calls.post<FlagExplanationView>(`${flagThere(at, flag)}/explain`, body, {})).body,

    listSegments: async (at: InEnvironment) =>
      (await read<{ segments: { segment: string; when: When }[] }>(`${environmentPath(at)}/segments`))
        .segments,
    putSegment: (at: InEnvironment, segment: string, body: object, options?: WriteOptions) =>
      calls.write<object>('PUT', segmentPath(at, segment), body, options),
    removeSegment: (at: InEnvironment, segment: string, reason: string | null, options?: WriteOptions) => {
      const query = reason === null ? '' : `?${new URLSearchParams({ reason })}`;
      return calls.write<object>('DELETE', `${segmentPath(at, segment)}${query}`, undefined, options);
    },
  };
}
