import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { isSystemError, replaceFile } from "../support/files.ts";

/** What the daemon keeps about the clone, outside the workspace. `cloning` while it is not finished. */
export const CheckoutState = z.discriminatedUnion("status", [
  z.object({ status: z.literal("cloning"), remote_path: z.string() }),
  z.object({
    status: z.literal("cloned"),
    remote_path: z.string(),
    shadow_branch: z.string(),
    base_branch: z.string(),
    base_commit_sha: z.string(),
    /** Whether the shadow branch was on the remote already. */
    resumed: z.boolean(),
    /** The newest commit that was told of. */
    told: z.string(),
    /** Whose work it is, where no turn says so. */
    author: z.object({ name: z.string(), email: z.string() }).optional(),
  }),
]);
export type CheckoutState = z.infer<typeof CheckoutState>;
export type Checkout = Extract<CheckoutState, { status: "cloned" }>;

const fileOf = (state: string): string => join(state, "checkout.json");

export async function readCheckout(state: string): Promise<CheckoutState | undefined> {
  try {
    return CheckoutState.parse(JSON.parse(await readFile(fileOf(state), "utf8")));
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}

export const writeCheckout = (state: string, checkout: CheckoutState): Promise<void> =>
  replaceFile(fileOf(state), JSON.stringify(checkout));

export const forgetCheckout = (state: string): Promise<void> => rm(fileOf(state), { force: true });
