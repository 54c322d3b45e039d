/** How a client finds the server of a data folder and connects to it without a port. */
import { closeSync, constants, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";

/**
 * The file contains the server's network address, for people and other tools. The file remains
 * after a server is killed.
 */
export const addressFile = "server.json";
export const tokenFile = "owner-token";
/**
 * The server's socket. Only the folder's owner can create or open a socket there, so the process
 * that answers is the folder's server.
 */
export const socketFile = "server.sock";

/**
 * The longest path that fits into the address of a unix socket: 107 bytes on Linux, 103 elsewhere.
 */
const maxSocketPathBytes = 103;

export const isTooLongForSocket = (path: string): boolean => Buffer.byteLength(path) > maxSocketPathBytes;

/** On Linux, returns a short path to a file in a folder that this process holds open. */
export const getDescriptorPath = (descriptor: number, name: string): string => `/proc/self/fd/${descriptor}/${name}`;

/** Connects to the server of a data folder, regardless of the length of the folder's path. */
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
