import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { type Account, chooseAccount } from "./account.ts";
import { isFull } from "./cluster.ts";
import { readLastFatalMessage } from "./log-file.ts";

/** The paths of one cluster, and the account that it runs as. */
export interface ClusterSite {
  readonly folder: string;
  readonly dataFolder: string;
  readonly logFile: string;
  readonly account: Account | undefined;
}

export async function getSite(folder: string): Promise<ClusterSite> {
  const dataFolder = join(folder, "data");
  return { folder, dataFolder, logFile: join(folder, "postgres.log"), account: await chooseAccount(dataFolder) };
}

/**
 * Determines why PostgreSQL ended, from its log (from `offset` on) and the disk; on a full disk the
 * log may be truncated.
 */
export async function getExitError(
  { folder, logFile }: ClusterSite,
  offset: number,
  ending: string,
): Promise<WharfError> {
  const words = await readLastFatalMessage(logFile, offset);
  if (words?.includes("No space left on device") || (await isFull(folder)))
    return new WharfError("disk_full", { path: folder });
  if (words?.includes("Read-only file system"))
    return new WharfError("database_unavailable", { reason: `its folder ${folder} is read-only` });
  return new WharfError("database_unavailable", {
    reason: `PostgreSQL ${ending}${words ? `: ${words}` : ""} (its log is ${logFile})`,
  });
}
