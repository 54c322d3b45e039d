import { toWharfError } from "@wharf/contract";
import type { SecretReport } from "@wharf/server";
import { formatCount } from "../render/numbers.ts";
import type { Check, DoctorContext } from "./check.ts";

interface Logins {
  readonly name: string;
  /** The file that names the logins, if there is one. */
  readonly file: string | undefined;
  /** What is used without a file. */
  readonly otherwise: string;
  readonly reports: readonly SecretReport[];
}

/** Checks whether the secret of each entry of `WHARF_GIT_CREDENTIALS` can be read. */
export const checkGitLogins = (context: DoctorContext): Promise<Check> =>
  checkLogins("git logins", context, async (environment) => {
    const { checkGitCredentials, readConfig } = await import("@wharf/server");
    const { gitCredentials: file } = readConfig(environment);
    const reports = file === undefined ? [] : await checkGitCredentials({ file, environment });
    return { file, otherwise: "those of the server's user (git and ssh)", reports };
  });

/** Checks whether the token of each entry of `WHARF_REGISTRIES` can be read. */
export const checkRegistryLogins = (context: DoctorContext): Promise<Check> =>
  checkLogins("registries", context, async (environment) => {
    const { checkRegistries, readConfig } = await import("@wharf/server");
    const reports = await checkRegistries(readConfig(environment).registries, environment);
    return { file: environment["WHARF_REGISTRIES"] || undefined, otherwise: "only those without a login", reports };
  });

async function checkLogins(
  name: string,
  { settings }: DoctorContext,
  read: (environment: Record<string, string>) => Promise<Omit<Logins, "name">>,
): Promise<Check> {
  const environment = Object.fromEntries(
    Object.entries(settings.environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  try {
    return describeLogins({ name, ...(await read(environment)) });
  } catch (error) {
    const { message, next } = toWharfError(error, name);
    return { name, status: "fail", text: message, next };
  }
}

function describeLogins({ name, file, otherwise, reports }: Logins): Check {
  if (file === undefined) return { name, status: "ok", text: otherwise };
  const broken = reports.filter(({ problem }) => problem !== undefined);
  if (broken.length === 0)
    return { name, status: "ok", text: `${file}: ${reports.map(({ entry }) => entry).join(", ") || "no entries"}` };
  return {
    name,
    status: "warn",
    text: `${formatCount(broken.length, "login")} of ${reports.length} cannot be used: ${broken.map(({ entry, problem }) => `${entry}: ${problem}`).join("; ")}`,
    next: `Correct ${file}, or what the entries name. The environment must be the one of \`wharf up\`.`,
  };
}
