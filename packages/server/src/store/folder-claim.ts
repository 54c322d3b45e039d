import { once } from "node:events";
import { stat } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { getErrorCode } from "../std/errors.ts";

/** Maximum time for the holder of a claim to identify itself. */
const answerTimeoutMs = 2_000;

export interface FolderClaim {
  release(): Promise<void>;
}

/**
 * Claims a folder for this process through a socket in Linux's abstract namespace; returns
 * undefined if another process has the claim. The socket's name is the folder's device and inode,
 * so it is the same for every path, there is no file that could be removed, and the kernel frees
 * the socket with the process.
 */
export async function claimFolder(folder: string): Promise<FolderClaim | undefined> {
  if (process.platform !== "linux") return noClaim;
  const server = createServer((socket) => socket.on("error", () => undefined).end(`${process.pid}\n`));
  server.unref().listen({ path: await getSocketName(folder) });
  try {
    await once(server, "listening");
  } catch (error) {
    if (getErrorCode(error) === "EADDRINUSE") return undefined;
    // A system that forbids abstract sockets has only the lock file.
    return noClaim;
  }
  server.on("error", () => undefined);
  return { release: () => closeServer(server) };
}

/** Returns the process id that the folder's holder reports. */
export async function getClaimantPid(folder: string): Promise<string | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const socket = connect({ path: await getSocketName(folder) });
    socket.setTimeout(answerTimeoutMs, () => socket.destroy());
    let answer = "";
    for await (const chunk of socket.setEncoding("utf8")) answer += String(chunk);
    return /^\d+$/.exec(answer.trim())?.[0];
  } catch {
    return undefined;
  }
}

const noClaim: FolderClaim = { release: async () => undefined };

async function getSocketName(folder: string): Promise<string> {
  const { dev, ino } = await stat(folder, { bigint: true });
  return `\0wharf-data-folder-${dev}-${ino}`;
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  await closed;
}
