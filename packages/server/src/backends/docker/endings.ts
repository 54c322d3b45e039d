import { WharfError } from "@wharf/contract";
import type { Container, ContainerInspectInfo } from "dockerode";
import type { Engine } from "./engine.ts";

/** A daemon that ends this soon by itself has never worked. */
const hardlyStarted = 5_000; // ms
const lastLines = 20;
const quoted = 400; // characters
const megabyte = 1024 ** 2;
/** SIGKILL and SIGTERM: somebody ended it. */
const endedFromOutside = new Set([0, 137, 143]);

/** Why a container that does not run has ended, as far as the engine and its last lines tell. */
export async function endingOf(
  engine: Engine,
  id: string,
  { handle, found }: { handle: Container; found: ContainerInspectInfo },
): Promise<WharfError> {
  const { State: state, Config, HostConfig } = found;
  const words = await lastWords(engine, handle);
  const said = words && `; it said: ${words}`;
  if (state.Status === "created") return unavailable(id, "its container was never started");
  if (state.OOMKilled) {
    const limit = Math.round((HostConfig.Memory ?? 0) / megabyte);
    return unavailable(id, `its container used more than its ${limit} MB of memory and was ended${said}`);
  }
  const lived = Date.parse(state.FinishedAt) - Date.parse(state.StartedAt);
  if (lived < hardlyStarted && !endedFromOutside.has(state.ExitCode)) {
    const reason = `its daemon ended at once with exit code ${state.ExitCode}${said}`;
    return new WharfError("image_unusable", { image: Config.Image, reason });
  }
  const why = state.Error && ` (${state.Error})`;
  return unavailable(id, `its container ended with exit code ${state.ExitCode}${why}${said}`);
}

const unavailable = (id: string, reason: string) => new WharfError("runner_unavailable", { runner_id: id, reason });

async function lastWords(engine: Engine, handle: Container): Promise<string> {
  const options = { stdout: true, stderr: true, tail: lastLines, follow: false } as const;
  const log = await engine.find(() => handle.logs(options)).catch(() => undefined);
  if (log === undefined) return "";
  return withoutHeaders(log)
    .toString("utf8")
    .replaceAll(/\p{Cc}+/gu, " ")
    .trim()
    .slice(-quoted);
}

/** The log comes in pieces, each with eight bytes before it, the last four of which are its length. */
function withoutHeaders(log: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at + 8 <= log.length;) {
    const end = at + 8 + log.readUInt32BE(at + 4);
    pieces.push(log.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(pieces);
}
