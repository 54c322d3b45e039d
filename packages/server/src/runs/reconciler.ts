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
  for (const row of await runners.idle()) await runners.rest(row.id, () => backend.stop(row.id));
  // First what is there, then the rows: a runner is written down before it is made, so one without a row belongs to nobody.
  const there: string[] = [];
  for await (const sighting of backend.list()) there.push(sighting.id);
  const known = await runners.known(there);
  for (const id of there.filter((one) => !known.has(one))) {
    logger.warn({ runner_id: id }, "a runner that no row knows is removed");
    await backend.destroy(id);
  }
}
