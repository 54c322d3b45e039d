/** How a client finds the server of a data folder, and speaks to it without a port. */
import { closeSync, constants, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";

/** Says where the server listens on the network, for people and other tools. It outlives a server that was killed. */
export const addressFile = "server.json";
export const tokenFile = "owner-token";
/** The server's socket. Only the folder's owner can create or open one there, so whoever answers is the folder's server. */
export const socketFile = "server.sock";

/** The longest path that fits the address of a unix socket, in bytes: 107 on Linux, 103 elsewhere. */
const maxSocketPathBytes = 103;

export const isTooLongForSocket = (path: string): boolean => Buffer.byteLength(path) > maxSocketPathBytes;

/** On Linux, a short path to a file in a folder that this process holds open. */
export const getDescriptorPath = (descriptor: number, name: string): string => `/proc/self/fd/${descriptor}/${name}`;

/** Connects to the server of a data folder, however long its path is. */
export function connectToFolder(folder: string): Socket {
  const path = join(folder, socketFile);
  if (!isTooLongForSocket(path) || process.platform !== "linux") return connect({ path });
  const descriptor = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    // The path is resolved before this call returns.
    return connect({ path: getDescriptorPath(descriptor, socketFile) });
  } finally {
    closeSync(descriptor);
  }
}
