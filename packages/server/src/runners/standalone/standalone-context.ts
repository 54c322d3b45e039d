import type { FindContext } from "../../gateway/index.ts";
import type { Keys } from "../keys.ts";
import type { RunnerRow, Runners } from "../runners.ts";

/**
 * Finds the gateway's context for a standalone runner: none, which denies everything, or the model
 * route that its owner allowed. The route never changes, so the row is read once.
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

/**
 * Returns the environment of commands and terminals in a runner, to which callers may add their
 * own.
 */
export function createStandaloneEnvironment(
  { id, environment, model_route }: Pick<RunnerRow, "id" | "environment" | "model_route">,
  keys: Keys,
): Record<string, string> {
  return model_route === null ? environment : { WHARF_TOKEN: keys.getStandaloneToken(id), ...environment };
}
