import { Duplex, PassThrough } from "node:stream";
import { getEndpointUrl, portStreams } from "@wharf/contract";
import type { RunnerUse } from "../../runners/index.ts";
import { refuseFailure } from "../http/pass-through.ts";

/**
 * Opens a connection to a port of a runner, or throws the daemon's error. The runner's wire is in
 * use until the connection is closed.
 */
export async function openTunnel(use: RunnerUse, port: number, signal: AbortSignal): Promise<Duplex> {
  const sent = new PassThrough();
  try {
    const path = getEndpointUrl(portStreams.connect, { query: { port } });
    const answer = await use.client.request({ method: portStreams.connect.method, path, body: sent, signal });
    await refuseFailure(answer, use.client.runnerId);
    const tunnel = Duplex.from({ readable: answer.body, writable: sent });
    return tunnel
      .on("error", () => undefined)
      .once("close", () => {
        answer.body.destroy();
        use[Symbol.dispose]();
      });
  } catch (error) {
    sent.destroy();
    use[Symbol.dispose]();
    throw error;
  }
}
