import { runnerApi } from "@wharf/contract";
import { formatCount } from "../render/numbers.ts";
import { readAllRows } from "../server/lists.ts";
import type { Check, DoctorContext } from "./check.ts";

const name = "orphaned runners";

/** A runner without a row suggests that the database is an older copy, or the wrong one. */
export async function checkOrphans({ client }: DoctorContext): Promise<Check> {
  const orphans = await readAllRows(client, runnerApi.listOrphans, {}, { timeoutMs: 5_000 }).catch(() => undefined);
  if (!orphans) return { name, status: "ok", text: "unknown, because no server is running" };
  const { length } = orphans;
  if (length === 0) return { name, status: "ok", text: "none" };
  return {
    name,
    status: "warn",
    text: `${formatCount(length, "runner")} in the backend but not in the database (stopped, with ${length === 1 ? "its disk" : "their disks"})`,
    next: "If you restored the database, restore a newer backup. `wharf runner rm --orphans` deletes these runners and their disks.",
  };
}
