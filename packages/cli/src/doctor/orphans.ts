import { runnerApi } from "@wharf/contract";
import type { Check, DoctorContext } from "./check.ts";

const name = "orphaned runners";

/** A runner without a row suggests that the database is an older copy, or the wrong one. */
export async function checkOrphans({ client }: DoctorContext): Promise<Check> {
  const answer = await client.call(runnerApi.listOrphans, {}, { timeoutMs: 5_000 }).catch(() => undefined);
  if (!answer) return { name, status: "ok", text: "not known while no server runs" };
  const { length } = answer.orphans;
  if (length === 0) return { name, status: "ok", text: "none" };
  return {
    name,
    status: "warn",
    text: `${length}: the backend has them and the database does not know them. They are stopped and keep their disks`,
    next: "If the database was restored, restore a newer copy; `wharf runner rm --orphans` removes them for good.",
  };
}
