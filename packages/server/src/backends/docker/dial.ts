import type { Duplex } from "node:stream";
import { WharfError } from "@wharf/contract";
import type { Container, ContainerInspectInfo } from "dockerode";
import { containerPaths } from "../shared/container-paths.ts";
import type { WireListener } from "../shared/wire-listener.ts";
import { socketPath, runnerUserId } from "./container-request.ts";
import type { Engine } from "./engine.ts";
import { ExecWire } from "./exec-wire.ts";
import { createExitError } from "./exit-error.ts";

/** A waiting dial checks this often whether its container still exists. */
const livenessCheckIntervalMs = 500;

/** Holds a runner's container, as the engine described it a moment ago. */
export interface RunnerContainer {
  readonly handle: Container;
  readonly info: ContainerInspectInfo;
}

export interface DialRequest {
  readonly engine: Engine;
  readonly id: string;
  readonly container: RunnerContainer;
  readonly signal: AbortSignal | undefined;
}

/**
 * Waits for the daemon to connect to the socket that it shares with this server. The engine is not
 * involved.
 */
export async function dialSocket(
  { engine, id, signal }: DialRequest,
  options: { listener: WireListener; isChanging: () => boolean; look: () => Promise<RunnerContainer | undefined> },
): Promise<Duplex> {
  const livenessController = new AbortController();
  const requireRunning = async () => {
    const current = await options.look();
    if (!current) throw new WharfError("runner_lost", { runner_id: id, reason: "its container no longer exists" });
    if (!current.info.State.Running) throw await createExitError(engine, id, current);
  };
  const timer = setInterval(() => {
    if (!options.isChanging()) requireRunning().catch((error: unknown) => livenessController.abort(error));
  }, livenessCheckIntervalMs);
  try {
    return await options.listener.accept(AbortSignal.any([livenessController.signal, ...(signal ? [signal] : [])]));
  } finally {
    clearInterval(timer);
  }
}

/**
 * Starts a program in the container that connects to the daemon's socket there; the program's
 * standard input and output become the wire.
 */
export async function dialExec({ engine, id, container, signal }: DialRequest): Promise<Duplex> {
  const { handle } = container;
  const request = {
    Cmd: [containerPaths.node, `${containerPaths.kit}/lib/wharf-wire.mjs`, socketPath],
    User: `${runnerUserId}:${runnerUserId}`,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
  };
  // The engine reports a conflict if the container has just ended.
  const exec = await engine.callIgnoring([404, 409], () => handle.exec(request), { signal });
  if (!exec) throw await createDialError(engine, id, container);
  const startExec = async (_: unknown, aborted: AbortSignal) => {
    const stream = await exec.start({ hijack: true, stdin: true });
    if (aborted.aborted) stream.destroy();
    return stream;
  };
  const transport = await engine.callIgnoring([404, 409], startExec, { signal });
  if (!transport) throw await createDialError(engine, id, container);
  const wire = new ExecWire(transport);
  wire.on("error", () => undefined);
  try {
    if (await wire.waitForFirstByte(signal)) return wire;
    throw await createDialError(engine, id, container, wire.errorOutput);
  } catch (error) {
    wire.destroy();
    throw error;
  }
}

async function createDialError(
  engine: Engine,
  id: string,
  { handle }: RunnerContainer,
  words = "",
): Promise<WharfError> {
  const info = await engine.find(() => handle.inspect());
  if (!info) return new WharfError("runner_lost", { runner_id: id, reason: "its container no longer exists" });
  if (!info.State.Running) return createExitError(engine, id, { handle, info });
  const reason = `could not open a wire in its container${words && `: ${words}`}`;
  return new WharfError("runner_unavailable", { runner_id: id, reason });
}
