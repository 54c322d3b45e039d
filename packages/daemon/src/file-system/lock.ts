import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { link, open, readdir, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { WharfError } from "@wharf/contract";
import { isSystemError } from "./files.ts";

/**
 * Locks a folder for one process: a socket in it answers only while its process lives. A process id
 * would not do, because it means something else in another sandbox. A kill leaves nothing to clean
 * up.
 *
 * Locks are numbered, and the highest number counts. A process that gets no answer on that socket
 * links its own socket under the next number, which fails for all processes but one; only then are
 * the lower numbers removed. A process that claims a number after its removal finds that it is not
 * the highest, and releases it.
 */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  const handle = await open(folder, "r");
  // Use the descriptor: a socket's path is limited to 108 bytes, which the folder's path may
  // exceed.
  const folderPath = process.platform === "linux" ? `/proc/self/fd/${handle.fd}` : folder;
  const ownSocket = `${folderPath}/taking-${randomBytes(4).toString("hex")}`;
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(ownSocket);
    await once(server, "listening");
    await claimNumber(ownSocket, folderPath);
  } catch (error) {
    server.close();
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

async function claimNumber(ownSocket: string, folderPath: string): Promise<void> {
  try {
    for (;;) {
      const highest = await getHighestNumber(folderPath);
      if (highest > 0 && (await isAnswering(`${folderPath}/lock-${highest}`))) throw createInUseError();
      const number = highest + 1;
      if (!(await isLinked(ownSocket, `${folderPath}/lock-${number}`))) continue;
      if ((await getHighestNumber(folderPath)) > number) await rm(`${folderPath}/lock-${number}`, { force: true });
      else return await removeLowerLocks(number, folderPath);
    }
  } finally {
    await rm(ownSocket, { force: true });
  }
}

async function isLinked(ownSocket: string, lock: string): Promise<boolean> {
  try {
    await link(ownSocket, lock);
    return true;
  } catch (error) {
    if (isSystemError(error, "EEXIST")) return false;
    throw error;
  }
}

async function removeLowerLocks(number: number, folderPath: string): Promise<void> {
  for (const lower of await getLockNumbers(folderPath))
    if (lower < number) await rm(`${folderPath}/lock-${lower}`, { recursive: true, force: true });
}

const getHighestNumber = async (folderPath: string): Promise<number> =>
  Math.max(0, ...(await getLockNumbers(folderPath)));

async function getLockNumbers(folderPath: string): Promise<number[]> {
  const names = await readdir(folderPath);
  return names.map((name) => Number(/^lock-(\d{1,15})$/.exec(name)?.[1] ?? 0)).filter((number) => number > 0);
}

const createInUseError = (): WharfError => new WharfError("daemon_already_running", {});

async function isAnswering(path: string): Promise<boolean> {
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
