import type { FastifyInstance } from "fastify";

/** The methods of each path, to tell a wrong method from a wrong path. */
export class KnownPaths {
  readonly #methods = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();

  /** Remembers the routes that are registered from now on. */
  constructor(app: FastifyInstance) {
    app.addHook("onRoute", ({ url, method }) => {
      const known = this.#methods.get(url) ?? { pattern: createPattern(url), methods: new Set<string>() };
      this.#methods.set(url, known);
      for (const one of [method].flat()) known.methods.add(one);
    });
  }

  /** Returns the methods that an address has, which are none if no route has this path. */
  findMethods(address: string): string[] {
    const path = address.split("?")[0] ?? "";
    const found = [...this.#methods.values()].filter(({ pattern }) => pattern.test(path));
    if (found.length === 0) return [];
    return [...new Set([...found.flatMap(({ methods }) => [...methods]), "OPTIONS"])].toSorted();
  }
}

/** A parameter is one part of the path. */
const createPattern = (url: string): RegExp =>
  new RegExp(`^${url.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll(/:\w+/g, "[^/]+")}$`);
