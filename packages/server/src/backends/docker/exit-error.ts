import { WharfError } from "@wharf/contract";
import type { Container, ContainerInspectInfo } from "dockerode";
import type { Engine } from "./engine.ts";

/** A daemon that exits by itself this soon has never worked. */
const minLifetimeMs = 5_000;
const maxLogLines = 20;
const maxQuotedCharacters = 400;
const megabyte = 1024 ** 2;
/** The codes of SIGKILL and SIGTERM mean that someone ended the container. */
const externalExitCodes = new Set([0, 137, 143]);

/**
 * Explains why a container has ended, as far as the engine and the container's last lines show it.
 */
export async function createExitError(
  engine: Engine,
  id: string,
  { handle, info }: { handle: Container; info: ContainerInspectInfo },
): Promise<WharfError> {
  const { State: state, Config, HostConfig } = info;
  const words = await readLogTail(engine, handle);
  const quote = words && `; its last output: ${words}`;
  if (state.Status === "created") return createUnavailableError(id, "its container was never started");
  if (state.OOMKilled) {
    const limit = Math.round((HostConfig.Memory ?? 0) / megabyte);
    return createUnavailableError(id, `its container exceeded its limit of ${limit} MB of memory${quote}`);
  }
  const lived = Date.parse(state.FinishedAt) - Date.parse(state.StartedAt);
  if (lived < minLifetimeMs && !externalExitCodes.has(state.ExitCode)) {
    const reason = `its daemon exited at once with exit code ${state.ExitCode}${quote}`;
    return new WharfError("image_unusable", { image: Config.Image, reason });
  }
  const why = state.Error && ` (${state.Error})`;
  return createUnavailableError(id, `its container exited with exit code ${state.ExitCode}${why}${quote}`);
}

export const createUnavailableError = (id: string, reason: string): WharfError =>
  new WharfError("runner_unavailable", { runner_id: id, reason });

async function readLogTail(engine: Engine, handle: Container): Promise<string> {
  const options = { stdout: true, stderr: true, tail: maxLogLines, follow: false } as const;
  const log = await engine.find(() => handle.logs(options)).catch(() => undefined);
  if (log === undefined) return "";
  return removeLogHeaders(log)
    .toString("utf8")
    .replaceAll(/\p{Cc}+/gu, " ")
    .trim()
    .slice(-maxQuotedCharacters);
}

/**
 * The log comes in pieces, each after an eight-byte header whose last four bytes are the piece's
 * length.
 */
function removeLogHeaders(log: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let offset = 0; offset + 8 <= log.length;) {
    const end = offset + 8 + log.readUInt32BE(offset + 4);
    pieces.push(log.subarray(offset + 8, end));
    offset = end;
  }
  return Buffer.concat(pieces);
}
