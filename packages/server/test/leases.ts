import type { ClaimOptions, ClaimResult } from "../src/runs/scheduler/claim.ts";
import { claimQueuedRuns } from "../src/runs/scheduler/claim.ts";
import type { Database } from "../src/store/index.ts";

type ClaimedServer = Partial<Pick<ClaimOptions, "maxRuns" | "maxRunners" | "place" | "scope" | "shares">>;

/** Claims slots as a server without warm runners does. */
export async function claim(
  db: Database,
  server_id: string,
  options: ClaimedServer = {},
): Promise<ClaimResult["claimed"]> {
  const { claimed } = await claimAll(db, server_id, options);
  return claimed;
}

export function claimAll(
  db: Database,
  server_id: string,
  { maxRuns = 100, maxRunners, place = "here", scope = "server", shares }: ClaimedServer = {},
): Promise<ClaimResult> {
  const limits = { cpu: 1, memoryBytes: 1, diskBytes: 1, processes: 1 };
  return claimQueuedRuns(db, {
    server_id,
    place,
    maxRuns,
    maxRunners,
    scope,
    shares,
    fresh: { backend: "local", isolation: "sandbox" },
    pool: { claim: async () => undefined },
    findKind: async () => ({ limits, programs: [] }),
  });
}
