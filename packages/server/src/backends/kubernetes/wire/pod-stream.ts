import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

const connectMs = 5_000;
const pauseMs = 100;

/** The byte stream to a daemon that listens on its pod's address. A refusal means that it does not listen yet. */
export async function openPodStream(at: { host: string; port: number }, signal: AbortSignal): Promise<Duplex> {
  for (;;) {
    signal.throwIfAborted();
    const socket = connect({ ...at, noDelay: true, keepAlive: true });
    try {
      await once(socket, "connect", { signal: AbortSignal.any([signal, AbortSignal.timeout(connectMs)]) });
      return quiet(socket);
    } catch (error) {
      quiet(socket).destroy();
      signal.throwIfAborted();
      if (!isRefused(error)) throw error;
      await sleep(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** Until the wire's handshake takes it, nobody else listens for its errors. */
const quiet = (socket: Socket): Socket => socket.on("error", () => undefined);

const isRefused = (error: unknown) => error instanceof Error && "code" in error && error.code === "ECONNREFUSED";
