import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { basename } from "node:path";
import { type ListeningPort, maxListedPorts, WharfError } from "@wharf/contract";
import { type Listener, listListeners, listSocketInodes } from "./listeners.ts";

/** A page of a development server opens hundreds of files, and a browser few at a time. */
const defaultMaxConnections = 256;
/** A program of this machine that accepts connections does so at once. */
const connectTimeoutMs = 10_000;
/** On a machine with more processes, finding the names of programs would take too long. */
const maxProcesses = 1_000;

/** The ports on which programs of this runner listen, and the connections to them. */
export class Ports {
  readonly #maxConnections: number;
  #connectionCount = 0;

  constructor({ maxConnections = defaultMaxConnections }: { maxConnections?: number } = {}) {
    this.#maxConnections = maxConnections;
  }

  /** Lists the ports of other programs; the daemon's own are not for people. */
  async list(): Promise<ListeningPort[]> {
    const listeners = await listForeignListeners();
    const programs = await findPrograms(new Set(listeners.map(({ inode }) => inode)));
    const ports = new Map<number, ListeningPort>();
    for (const { port, inode } of listeners) {
      const program = programs.get(inode) ?? ports.get(port)?.program;
      ports.set(port, { port, ...(program !== undefined && { program }) });
    }
    return [...ports.values()].toSorted((a, b) => a.port - b.port).slice(0, maxListedPorts);
  }

  /** Connects to a program. The socket counts until it is closed. */
  async connect(port: number, signal: AbortSignal): Promise<Socket> {
    if (this.#connectionCount >= this.#maxConnections)
      throw new WharfError("too_many_connections", { limit: this.#maxConnections });
    this.#connectionCount += 1;
    try {
      const socket = await connectToProgram(port, signal);
      socket.once("close", () => (this.#connectionCount -= 1));
      return socket;
    } catch (error) {
      this.#connectionCount -= 1;
      throw error;
    }
  }
}

async function connectToProgram(port: number, signal: AbortSignal): Promise<Socket> {
  const all = (await listListeners()).filter((listener) => listener.port === port);
  const ownInodes = new Set(await listSocketInodes("self"));
  const foreign = all.filter(({ inode }) => !ownInodes.has(inode));
  const [listener] = foreign;
  if (!listener) throw new WharfError(all.length > 0 ? "port_reserved" : "port_not_listening", { port });
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(connectTimeoutMs)]);
  // A caller may stop sending and still read the answer.
  const socket = connect({ host: listener.host, port, noDelay: true, allowHalfOpen: true });
  try {
    await once(socket, "connect", { signal: deadline });
    return socket;
  } catch (cause) {
    socket.on("error", () => undefined).destroy();
    throw new WharfError("port_not_listening", { port }, { cause });
  }
}

async function listForeignListeners(): Promise<Listener[]> {
  const [listeners, ownInodes] = await Promise.all([listListeners(), listSocketInodes("self")]);
  const own = new Set(ownInodes);
  return listeners.filter(({ inode }) => !own.has(inode));
}

/** Finds the names of the programs that have these sockets, as far as the daemon may know. */
async function findPrograms(inodes: ReadonlySet<string>): Promise<Map<string, string>> {
  const programs = new Map<string, string>();
  const processIds = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  if (inodes.size === 0 || processIds.length > maxProcesses) return programs;
  for (const id of processIds) {
    const found = (await listSocketInodes(id)).filter((inode) => inodes.has(inode));
    if (found.length === 0) continue;
    const name = await readProgramName(id);
    for (const inode of found) if (name !== "") programs.set(inode, name);
    if (programs.size === inodes.size) break;
  }
  return programs;
}

/** Returns the first word of the command; any program can change its own. */
async function readProgramName(processId: string): Promise<string> {
  const words = await readFile(`/proc/${processId}/cmdline`, "utf8").catch(() => "");
  return basename(words.split("\0")[0] ?? "").slice(0, 200);
}
