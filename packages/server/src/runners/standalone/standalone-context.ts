import type { FindContext } from "../../gateway/index.ts";
import type { Keys } from "../keys.ts";
import type { RunnerRow, Runners } from "../runners.ts";

/**
 * Finds the gateway's context for a standalone runner: its organisation, and the model route that
 * its owner allowed. Neither changes, so the row is read once.
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
    const runner = await row;
    if (!runner) return undefined;
    const { organization_id, model_route } = runner;
    return {
      runner_id: id,
      run_id: id,
      token: keys.getStandaloneToken(id),
      ...(organization_id !== null && { organization_id }),
      ...(model_route !== null && { model_route }),
    };
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
