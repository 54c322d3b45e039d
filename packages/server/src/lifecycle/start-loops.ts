import type { Services } from "./create-services.ts";
import type { ServerSetup } from "./server-options.ts";

/** Registers the server in the database at its URL, and starts the loops. */
export async function startLoops({ parts }: ServerSetup, services: Services, url: string): Promise<void> {
  const { servers, leases, workers, meter, pool, scheduler, orphans, maintenance, searchLoop, isPlaceShared } =
    services;
  await servers.start(url, { isShared: isPlaceShared });
  parts.defer(() => servers.stop());
  await leases.start((tenure) => workers.adopt(tenure));
  parts.defer(async () => {
    await leases.stop();
    await workers.waitForAll();
    await leases.release();
  });
  for (const loop of [meter, pool, scheduler, orphans, maintenance, searchLoop]) {
    loop.start();
    parts.defer(() => loop.stop());
  }
}
