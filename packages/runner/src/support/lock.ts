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
  const place = process.platform === "linux" ? `/proc/self/fd/${handle.fd}` : folder;
  const own = `${place}/taking-${randomBytes(4).toString("hex")}`;
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(own);
    await once(server, "listening");
    await takeNumber(own, place);
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

async function takeNumber(own: string, place: string): Promise<void> {
  try {
    for (;;) {
      const before = await highestOf(place);
      if (before > 0 && (await answers(`${place}/lock-${before}`))) throw inUse();
      const number = before + 1;
      if (!(await isLinked(own, `${place}/lock-${number}`))) continue;
      if ((await highestOf(place)) > number) await rm(`${place}/lock-${number}`, { force: true });
      else return await removeBelow(number, place);
    }
  } finally {
    await rm(own, { force: true });
  }
}

async function isLinked(own: string, lock: string): Promise<boolean> {
  try {
    await link(own, lock);
    return true;
  } catch (error) {
    if (isSystemError(error, "EEXIST")) return false;
    throw error;
  }
}

async function removeBelow(number: number, place: string): Promise<void> {
  for (const lower of await numbersIn(place))
    if (lower < number) await rm(`${place}/lock-${lower}`, { recursive: true, force: true });
}

const highestOf = async (place: string): Promise<number> => Math.max(0, ...(await numbersIn(place)));

async function numbersIn(place: string): Promise<number[]> {
  const names = await readdir(place);
  return names.map((name) => Number(/^lock-(\d{1,15})$/.exec(name)?.[1] ?? 0)).filter((number) => number > 0);
}

const inUse = (): WharfError =>
  new WharfError("conflict", {
    what: "runner's state folder",
    from: "in use by another daemon",
    to: "used by this one",
  });

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
