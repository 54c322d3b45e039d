import { toWharfError } from "@wharf/contract";
import type { Check, DoctorContext } from "./check.ts";

const name = "login provider";

/** Checks whether the OpenID provider of the settings answers, and its secret can be read. */
export async function checkLoginProvider({ settings }: DoctorContext): Promise<Check> {
  const environment = Object.fromEntries(
    Object.entries(settings.environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  try {
    const server = await import("@wharf/server");
    const provider = await server.checkLoginProvider(environment);
    return { name, status: "ok", text: provider ?? "none; people log in with passwords and links" };
  } catch (error) {
    const { message, next } = toWharfError(error, name);
    return { name, status: "warn", text: message, next };
  }
}
