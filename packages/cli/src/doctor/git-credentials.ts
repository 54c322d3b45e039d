import { toWharfError } from "@wharf/contract";
import { formatCount } from "../render/numbers.ts";
import type { Check, DoctorContext } from "./check.ts";

const name = "git logins";

/** Checks whether the secret of each entry of `WHARF_GIT_CREDENTIALS` can be read. */
export async function checkGitLogins({ settings }: DoctorContext): Promise<Check> {
  const { checkGitCredentials, readConfig } = await import("@wharf/server");
  const environment = Object.fromEntries(
    Object.entries(settings.environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  try {
    const { gitCredentials: file } = readConfig(environment);
    if (file === undefined) return { name, status: "ok", text: "those of the server's user (git and ssh)" };
    const reports = await checkGitCredentials({ file, environment });
    const broken = reports.filter(({ problem }) => problem !== undefined);
    if (broken.length === 0)
      return { name, status: "ok", text: `${file}: ${reports.map(({ entry }) => entry).join(", ") || "no entries"}` };
    return {
      name,
      status: "warn",
      text: `${formatCount(broken.length, "login")} of ${reports.length} cannot be used: ${broken.map(({ entry, problem }) => `${entry}: ${problem}`).join("; ")}`,
      next: `Correct ${file}, or what the entries name. The environment must be the one of \`wharf up\`.`,
    };
  } catch (error) {
    const { message, next } = toWharfError(error, name);
    return { name, status: "fail", text: message, next };
  }
}
