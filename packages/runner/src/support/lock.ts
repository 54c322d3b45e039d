import { once } from "node:events";
import { open, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { WharfError } from "@wharf/contract";
import { isSystemError } from "./files.ts";

/**
 * Keeps a folder for one process: a socket in it that only a living process answers on. It needs no process id, which
 * means something else in another sandbox, and nothing is left to clean up after a kill.
 */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  const handle = await open(folder, "r");
  // By the descriptor: a socket's path may have 108 bytes, the folder's own may have more.
  const path = process.platform === "linux" ? `/proc/self/fd/${handle.fd}/lock` : `${folder}/lock`;
  const server = createServer((socket) => socket.destroy());
  try {
    if (await answers(path))
      throw new WharfError("conflict", {
        what: "runner's state folder",
        from: "in use by another daemon",
        to: "used by this one",
      });
    await rm(path, { recursive: true, force: true });
    server.listen(path);
    await once(server, "listening");
  } catch (error) {
    await handle.close();
    throw error;
  }
  server.unref();
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      await closed;
      await handle.close();
    },
  };
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ECONNREFUSED")) return false;
    throw error;
  } finally {
    socket.on("error", () => undefined).destroy();
  }
}
