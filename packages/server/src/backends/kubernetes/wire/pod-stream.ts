import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { getErrorCode } from "../../../std/errors.ts";

const connectTimeoutMs = 5_000;
const retryIntervalMs = 100;

/**
 * Opens the byte stream to a daemon that listens on its pod's address. A refused connection means
 * that the daemon does not listen yet.
 */
export async function openPodStream(address: { host: string; port: number }, signal: AbortSignal): Promise<Duplex> {
  for (;;) {
    signal.throwIfAborted();
    const socket = connect({ ...address, noDelay: true, keepAlive: true });
    try {
      await once(socket, "connect", { signal: AbortSignal.any([signal, AbortSignal.timeout(connectTimeoutMs)]) });
      return ignoreErrors(socket);
    } catch (error) {
      ignoreErrors(socket).destroy();
      signal.throwIfAborted();
      if (!isRefused(error)) throw error;
      await sleep(retryIntervalMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** The stream has no other error handler until the wire's handshake takes it. */
const ignoreErrors = (socket: Socket): Socket => socket.on("error", () => undefined);

const isRefused = (error: unknown) => getErrorCode(error) === "ECONNREFUSED";
