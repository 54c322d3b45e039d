import type { Duplex } from "node:stream";
import { WharfError } from "@wharf/contract";
import type { Container, ContainerInspectInfo } from "dockerode";
import { inside } from "../shared/inside.ts";
import type { WireListener } from "../shared/wire-listener.ts";
import { socketPath, user } from "./container-request.ts";
import { endingOf } from "./endings.ts";
import type { Engine } from "./engine.ts";
import { ExecWire } from "./exec-wire.ts";

/** How often a dial that waits looks whether there is still a container to wait for. */
const livenessMs = 500;

/** A runner's container, as it was a moment ago. */
export interface Found {
  readonly handle: Container;
  readonly found: ContainerInspectInfo;
}

export interface Dialling {
  readonly engine: Engine;
  readonly id: string;
  readonly container: Found;
  readonly signal: AbortSignal | undefined;
}

/** Waits for the daemon to connect to the socket it shares with this server. The engine has no part in it. */
export async function dialSocket(
  { engine, id, signal }: Dialling,
  at: { listener: WireListener; isChanging: () => boolean; look: () => Promise<Found | undefined> },
): Promise<Duplex> {
  const lost = new AbortController();
  const check = async () => {
    const now = await at.look();
    if (!now) throw new WharfError("runner_lost", { runner_id: id, reason: "its container is gone" });
    if (!now.found.State.Running) throw await endingOf(engine, id, now);
  };
  const timer = setInterval(() => {
    if (!at.isChanging()) check().catch((error: unknown) => lost.abort(error));
  }, livenessMs);
  try {
    return await at.listener.next(AbortSignal.any([lost.signal, ...(signal ? [signal] : [])]));
  } finally {
    clearInterval(timer);
  }
}

/** Starts a program in the container that connects to the daemon's socket there, with its standard input and output as the wire. */
export async function dialExec({ engine, id, container, signal }: Dialling): Promise<Duplex> {
  const { handle } = container;
  const request = {
    Cmd: [inside.node, `${inside.kit}/lib/wharf-wire.mjs`, socketPath],
    User: `${user}:${user}`,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
  };
  // A container that ended in this moment is a conflict.
  const exec = await engine.unless([404, 409], () => handle.exec(request), { signal });
  if (!exec) throw await gone(engine, id, container);
  const begin = async (_: unknown, aborted: AbortSignal) => {
    const stream = await exec.start({ hijack: true, stdin: true });
    if (aborted.aborted) stream.destroy();
    return stream;
  };
  const transport = await engine.unless([404, 409], begin, { signal });
  if (!transport) throw await gone(engine, id, container);
  const wire = new ExecWire(transport);
  wire.on("error", () => undefined);
  try {
    if (await wire.begun(signal)) return wire;
    throw await gone(engine, id, container, wire.words);
  } catch (error) {
    wire.destroy();
    throw error;
  }
}

async function gone(engine: Engine, id: string, { handle }: Found, words = ""): Promise<WharfError> {
  const found = await engine.find(() => handle.inspect());
  if (!found) return new WharfError("runner_lost", { runner_id: id, reason: "its container is gone" });
  if (!found.State.Running) return endingOf(engine, id, { handle, found });
  const reason = `no wire can be made in its container${words && `: ${words}`}`;
  return new WharfError("runner_unavailable", { runner_id: id, reason });
}
