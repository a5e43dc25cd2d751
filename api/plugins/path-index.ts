/** Which methods a path takes, for 405 and `Allow`: the router itself answers only for one method. */
import type { FastifyInstance } from 'fastify';

export function pathIndex(app: FastifyInstance): (path: string) => readonly string[] {
  const fixed = new Map<string, Set<string>>();
  const patterns: { readonly pattern: RegExp; readonly methods: Set<string>; readonly url: string }[] = [];
  app.addHook('onRoute', (route) => {
    const methods = typeof route.method === 'string' ? [route.method] : route.method;
    let known = fixed.get(route.url) ?? patterns.find((p) => p.url === route.url)?.methods;
    if (!known) {
      known = new Set();
      if (route.url.includes(':')) {
        const source = route.url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:\w+/g, '[^/]+');
        patterns.push({ pattern: new RegExp(`^${source}$`), methods: known, url: route.url });
      } else fixed.set(route.url, known);
    }
    for (const method of methods) known.add(method);
  });
  return (path) => {
    const methods = new Set(fixed.get(path));
    for (const entry of patterns) {
      if (entry.pattern.test(path)) for (const method of entry.methods) methods.add(method);
    }
    if (methods.has('GET')) methods.add('HEAD');
    return methods.size === 0 ? [] : [...methods.add('OPTIONS')].sort();
  };
}
