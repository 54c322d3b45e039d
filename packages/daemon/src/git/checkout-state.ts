import { rm } from "node:fs/promises";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { z } from "zod";
import { replaceFile } from "../file-system/files.ts";
import { readStateFile, setAside } from "../file-system/state-file.ts";
import { parseJson } from "../std/parse-json.ts";

/**
 * The daemon keeps this record of the clone outside the workspace. The status is `cloning` until
 * the clone is finished.
 */
export const CheckoutState = z.discriminatedUnion("status", [
  z.object({ status: z.literal("cloning"), remote_path: z.string() }),
  z.object({
    status: z.literal("cloned"),
    remote_path: z.string(),
    shadow_branch: z.string(),
    base_branch: z.string(),
    base_commit_sha: z.string(),
    /** The shadow branch already existed on the remote. */
    resumed: z.boolean(),
    /** This commit is the newest reported one. */
    told: z.string(),
    /** This author is used if no turn names one. */
    author: z.object({ name: z.string(), email: z.string() }).optional(),
  }),
]);
export type CheckoutState = z.infer<typeof CheckoutState>;
export type Checkout = Extract<CheckoutState, { status: "cloned" }>;

const maxBytes = 1024 * 1024;
/**
 * The files are written one after the other: without the record the workspace's content is unknown,
 * so a damaged file has a copy.
 */
const getStateFiles = (state: string): string[] =>
  ["checkout.json", "checkout.copy.json"].map((name) => join(state, name));

export async function readCheckout(state: string): Promise<CheckoutState | undefined> {
  for (const path of getStateFiles(state)) {
    const file = await readStateFile(path, maxBytes);
    if (file.kind === "missing" && path === getStateFiles(state)[0]) return undefined;
    const value = file.kind === "read" ? parseJson(file.content.toString("utf8")) : undefined;
    const checkout = CheckoutState.safeParse(value);
    if (checkout.success) return checkout.data;
  }
  throw new WharfError("git_failed", {
    command: "clone",
    reason: "the runner's record of its clone is damaged; the files in the workspace are kept",
  });
}

export async function writeCheckout(state: string, checkout: CheckoutState): Promise<void> {
  for (const path of getStateFiles(state)) {
    if ((await readStateFile(path, maxBytes)).kind === "unusable") await setAside(path);
    await replaceFile(path, JSON.stringify(checkout));
  }
}

export async function removeCheckout(state: string): Promise<void> {
  for (const path of getStateFiles(state)) await rm(path, { recursive: true, force: true });
}
