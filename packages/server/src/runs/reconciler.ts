import type { RunDeps } from "./deps.ts";

/**
 * Brings what is really there to what the rows say: runners that are wanted no more end, those nobody knows end too, and a
 * row whose runner vanished says so. Runners that are wanted and missing are their run's driver's to bring back.
 */
export async function reconcileRunners(deps: RunDeps): Promise<void> {
  const { backend, runners, logger } = deps;
  for (const row of await runners.unwanted()) {
    await backend.destroy(row.id);
    await runners.setState(row.id, "DESTROYED");
  }
  for (const row of await runners.idle()) {
    await backend.stop(row.id);
    await runners.setState(row.id, row.state === "ERROR" ? "ERROR" : "STOPPED", row.error_message ?? undefined);
  }
  const known = new Map((await runners.all()).map((row) => [row.id, row]));
  for await (const sighting of backend.list()) {
    const row = known.get(sighting.id);
    if (row && row.state !== "DESTROYED") continue;
    // A runner is written down before it is made, so one without a row belongs to nobody.
    logger.warn({ runner_id: sighting.id }, "a runner that no row knows is removed");
    await backend.destroy(sighting.id);
  }
}
