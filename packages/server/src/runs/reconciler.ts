import type { RunDeps } from "./deps.ts";

/**
 * Brings what is really there to what the rows say: runners that are wanted no more end, those nobody knows end too, and a
 * row whose runner vanished says so. Runners that are wanted and missing are their run's driver's to bring back.
 */
export async function reconcileRunners(deps: RunDeps): Promise<void> {
  const { backend, runners, logger } = deps;
  // One that does not go holds up no other; it is tried again the next time.
  const attempt = (runnerId: string, work: () => Promise<void>) =>
    work().catch((error: unknown) =>
      logger.warn({ runner_id: runnerId, error }, "a runner could not be brought to what is wished"),
    );
  for (const { id } of await runners.unwanted()) {
    await attempt(id, async () => {
      await backend.destroy(id);
      await runners.setState(id, "DESTROYED");
    });
  }
  for (const { id } of await runners.idle()) await attempt(id, () => runners.rest(id, () => backend.stop(id)));
  // First what is there, then the rows: a runner is written down before it is made, so one without a row belongs to nobody.
  const there: string[] = [];
  for await (const sighting of backend.list()) there.push(sighting.id);
  const known = await runners.known(there);
  for (const id of there.filter((one) => !known.has(one))) {
    logger.warn({ runner_id: id }, "a runner that no row knows is removed");
    await attempt(id, () => backend.destroy(id));
  }
}
