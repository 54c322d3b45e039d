import { once } from "node:events";
import { chmod, constants, open, rm } from "node:fs/promises";
import type { Server as HttpServer } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { getDescriptorPath, isTooLongForSocket, socketFile } from "@wharf/contract/data-folder";

/**
 * Serves the API also on a socket in the data folder, for clients on this machine: only the
 * folder's owner can create that socket, while any program can take the port of a dead server. The
 * caller holds the folder's lock, so an existing socket belongs to a dead server. Disposing stops
 * listening; the HTTP server closes the connections.
 */
export async function listenInFolder(http: HttpServer, folder: string): Promise<AsyncDisposable> {
  const path = join(folder, socketFile);
  // The directory remains open until the socket is removed, because the socket's path may lead
  // through this descriptor.
  const directory = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  const server = createServer({ allowHalfOpen: true }, (socket) => http.emit("connection", socket));
  const close = async () => {
    server.close();
    await directory.close();
    await rm(path, { force: true }).catch(() => undefined);
  };
  try {
    await rm(path, { force: true });
    const isLong = isTooLongForSocket(path) && process.platform === "linux";
    server.listen({ path: isLong ? getDescriptorPath(directory.fd, socketFile) : path });
    await once(server, "listening");
    await chmod(path, 0o600);
  } catch (error) {
    await close();
    throw error;
  }
  // A failed accept (too many open files) concerns one connection only.
  server.on("error", () => undefined);
  return { [Symbol.asyncDispose]: close };
}
