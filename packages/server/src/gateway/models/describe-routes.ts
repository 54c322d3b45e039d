import type { ModelRouteView } from "@wharf/contract";
import type { ModelRoute } from "../context.ts";
import { createSecretSource, SecretError } from "../secrets/index.ts";
import { describeKey } from "./describe-key.ts";
import { createKeyError } from "./key-error.ts";

export interface UpstreamDescription {
  readonly route: string;
  readonly origin: string;
  /** Names the source of the key. */
  readonly key: string;
  /** Why the key cannot be read, and the next step. */
  readonly problem?: { readonly message: string; readonly next: string };
}

/** Reads each key once, as the gateway would, and describes the result without the keys. */
export function describeModelRoutes(routes: Readonly<Record<string, ModelRoute>>): Promise<UpstreamDescription[]> {
  const upstreams = Object.entries(routes).flatMap(([route, { upstreams }]) =>
    upstreams.map((upstream) => ({ route, upstream })),
  );
  return Promise.all(
    upstreams.map(async ({ route, upstream: { baseUrl, key } }) => {
      const { name, advice } = describeKey(key);
      const description = { route, origin: new URL(baseUrl).origin, key: name };
      try {
        await createSecretSource(key).get();
        return description;
      } catch (error) {
        if (!(error instanceof SecretError)) throw error;
        return { ...description, problem: { message: createKeyError(route, error).message, next: advice } };
      }
    }),
  );
}

/** Presents the routes with the sources of their keys, and reads no key. */
export const presentModelRoutes = (routes: Readonly<Record<string, ModelRoute>>): ModelRouteView[] =>
  Object.entries(routes).map(([name, { api, models, upstreams }]) => ({
    name,
    api,
    ...(models && { models: [...models] }),
    upstreams: upstreams.map(({ baseUrl, key, weight, organizations }) => ({
      origin: new URL(baseUrl).origin,
      key: describeKey(key).name,
      weight,
      organizations: [...organizations],
    })),
  }));
