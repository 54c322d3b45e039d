import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { WireHolder } from "./wire-holder.ts";

const firstPauseMs = 50; // ms
const maxPauseMs = 1_000; // ms
/** A wire that held this long is tried again without the pauses of those before it. */
const goodWireMs = 1_000; // ms

/** Connects to the socket the server listens on, and again with growing pauses whenever there is no wire, until the daemon ends. */
export async function maintainConnection(path: string, holder: WireHolder): Promise<void> {
  const { stopped: signal } = holder;
  for (let pause = firstPauseMs; !signal.aborted;) {
    const heldMs = await connectOnce(path, holder);
    pause = heldMs >= goodWireMs ? firstPauseMs : Math.min(pause * 2, maxPauseMs);
    // Half of the pause is chance, so that many runners do not all come at once.
    await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
  }
}

/** Tries once, and stays until that wire has ended. For how long it was held, in ms. */
async function connectOnce(path: string, holder: WireHolder): Promise<number> {
  const socket = connect(path);
  try {
    await once(socket, "connect", { signal: holder.stopped });
    const mux = await holder.acceptWire(socket);
    const startedAt = performance.now();
    await mux.closed;
    return performance.now() - startedAt;
  } catch {
    // No server listens, or it is not the one this daemon belongs to: both may change.
    return 0;
  } finally {
    socket.on("error", () => undefined).destroy();
  }
}
