import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { WireHolder } from "./wire-holder.ts";

const firstPauseMs = 50;
const maxPauseMs = 1_000;
/** A wire that lasted this long resets the pause before the next attempt. */
const goodWireMs = 1_000;

/** Connects to the server's socket and reconnects with growing pauses until the daemon stops. */
export async function maintainConnection(path: string, holder: WireHolder): Promise<void> {
  const { stopped: signal } = holder;
  for (let pause = firstPauseMs; !signal.aborted;) {
    const heldMs = await connectOnce(path, holder);
    pause = heldMs >= goodWireMs ? firstPauseMs : Math.min(pause * 2, maxPauseMs);
    // Half of the pause is random, so that many runners do not connect at once.
    await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
  }
}

/** Tries once, and stays until that wire has ended. Returns how long the wire lasted, in ms. */
async function connectOnce(path: string, holder: WireHolder): Promise<number> {
  const socket = connect(path);
  try {
    await once(socket, "connect", { signal: holder.stopped });
    const mux = await holder.acceptWire(socket);
    const startedAt = performance.now();
    await mux.closed;
    return performance.now() - startedAt;
  } catch {
    // No server listens, or the server is not the daemon's own: both may change.
    return 0;
  } finally {
    socket.on("error", () => undefined).destroy();
  }
}
