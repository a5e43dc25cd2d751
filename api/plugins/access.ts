/** Who may come in: the credential first, then the permission, before a byte of the body is read. */
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import { honours } from '../../commands/keys/grantable.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import type { Access } from '../route.ts';
import { bearerToken } from './bearer.ts';

type Hook = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void;

/** A callback, not a promise: most credentials are judged at once, from the cache. */
export function accessHook(deps: Pick<ApiDeps<unknown>, 'authenticate'>, access: Access): Hook {
  if ('public' in access || 'streamToken' in access) return (_request, _reply, done) => done();
  const uses = 'flagsKeys' in access ? access.flagsKeys : undefined;
  const credentialOf = uses ? flagsCredential : managementCredential;
  return (request, _reply, done) => {
    const admit = (caller: Caller) => {
      request.caller = caller;
      if ('permission' in access) authorise(caller, access.permission);
    };
    try {
      const peer = {
        ip: peerIp(request),
        route: request.routeOptions.config.operationId ?? '',
        traceId: request.trace?.traceId ?? null,
      };
      const answer = deps.authenticate(credentialOf(request), peer, uses);
      if (answer instanceof Promise) {
        answer.then(admit).then(() => done(), done);
        return;
      }
      admit(answer);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  };
}

function managementCredential({ headers }: FastifyRequest): string {
  return bearerToken(headers.authorization);
}

/** OpenFeature's clients send either header. */
function flagsCredential({ headers }: FastifyRequest): string {
  const { authorization, 'x-api-key': apiKey } = headers;
  return bearerToken(typeof apiKey === 'string' && !authorization ? `Bearer ${apiKey}` : authorization);
}

/** Throws `permission_denied`. What reaches across tenants is honoured in the default tenant alone. */
export function authorise(caller: Caller, permission: string): void {
  if (honours(caller.permissions, permission, caller.tenant)) return;
  throw new PlinthError('permission_denied', `This needs the permission ${permission}.`, {
    extra: { permission },
  });
}

/** An IPv4 peer of a socket that takes both families shows as ::ffff:a.b.c.d. */
export function peerIp(request: FastifyRequest): string {
  const { ip } = request;
  return ip.startsWith('::ffff:') && ip.includes('.') ? ip.slice(7) : ip;
}
