import type { FindContext } from "../gateway/index.ts";
import type { Keys } from "./keys.ts";
import type { RunnerRow, Runners } from "./runners.ts";

/**
 * What the gateway knows of a runner that a person created: nothing, which denies everything, or the one model route that
 * its owner allowed. That never changes, so its row is read once.
 */
export function createStandaloneContext(
  { runners, keys }: { readonly runners: Pick<Runners, "get">; readonly keys: Keys },
  id: string,
): FindContext {
  let row: Promise<RunnerRow | undefined> | undefined;
  return async () => {
    row ??= runners.get(id).catch((error: unknown) => {
      row = undefined;
      throw error;
    });
    const route = (await row)?.model_route;
    return route ? { runner_id: id, run_id: id, token: keys.getStandaloneToken(id), model_route: route } : undefined;
  };
}

/** What commands and terminals in a runner find in their environment besides their caller's own. */
export function createStandaloneEnvironment(
  { id, environment, model_route }: Pick<RunnerRow, "id" | "environment" | "model_route">,
  keys: Keys,
): Record<string, string> {
  return model_route === null ? environment : { WHARF_TOKEN: keys.getStandaloneToken(id), ...environment };
}
