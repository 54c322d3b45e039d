import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { link, open, readdir, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { WharfError } from "@wharf/contract";
import { isSystemError } from "./files.ts";

/**
 * Keeps a folder for one process: a socket in it that only a living process answers on. It needs no process id, which
 * means something else in another sandbox, and nothing is left to clean up after a kill.
 *
 * Locks are numbered, and the highest number counts. Whoever finds that nobody answers there links its own socket under
 * the next number, which fails for all but one; only then are the lower numbers removed. A number that somebody takes
 * after it was removed is not the highest, so it is given up again.
 */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  const handle = await open(folder, "r");
  // By the descriptor: a socket's path may have 108 bytes, the folder's own may have more.
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

const createInUseError = (): WharfError =>
  new WharfError("conflict", {
    what: "runner's state folder",
    from: "in use by another daemon",
    to: "used by this one",
  });

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
