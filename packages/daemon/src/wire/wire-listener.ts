import { once } from "node:events";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { WireConfig } from "@wharf/contract";
import type { WireHolder } from "./wire-holder.ts";

/**
 * Limits the connections that have not proved their identity. The agent may open any number; beyond
 * the limit, the oldest is closed, as the server's proof takes two round trips and a slower
 * connection has no proof.
 */
const maxUnprovedWires = 64;

type ListenConfig = Exclude<WireConfig, { by: "connect" }>;

/** Listens for the server's byte stream, and offers the wire to every connection. */
export class WireListener {
  readonly #holder: WireHolder;
  readonly #server: Server;
  readonly #isEncrypted: boolean;
  readonly #unproved = new Set<Socket>();

  private constructor(holder: WireHolder, { by: transport }: ListenConfig) {
    this.#holder = holder;
    // A unix socket stays on one machine; a port's bytes cross the network of a cluster.
    this.#isEncrypted = transport === "port";
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => void this.#acceptSocket(socket));
  }

  static async open(config: ListenConfig, holder: WireHolder): Promise<WireListener> {
    const listener = new WireListener(holder, config);
    await listener.#startListening(config);
    return listener;
  }

  async close(): Promise<void> {
    for (const socket of this.#unproved) socket.destroy();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  async #startListening(config: ListenConfig): Promise<void> {
    if (config.by === "listen") {
      mkdirSync(dirname(config.path), { recursive: true });
      // A killed daemon leaves its socket behind; the lock on the state proves that no daemon is
      // alive.
      rmSync(config.path, { force: true });
      this.#server.listen({ path: config.path });
    } else {
      // Listen on all addresses, including IPv6 if the machine supports it.
      this.#server.listen({ port: config.port });
    }
    await once(this.#server, "listening");
    // A failed accept (too many open files) concerns one connection only.
    this.#server.on("error", () => undefined);
    if (config.by === "listen") chmodSync(config.path, 0o600);
  }

  async #acceptSocket(socket: Socket): Promise<void> {
    socket.on("error", () => undefined);
    const [oldest] = this.#unproved;
    if (this.#unproved.size >= maxUnprovedWires) oldest?.destroy();
    this.#unproved.add(socket.once("close", () => this.#unproved.delete(socket)));
    // A connection that fails to prove its identity is closed, at the latest after the handshake
    // timeout.
    const handshake = this.#isEncrypted ? this.#holder.acceptEncryptedWire(socket) : this.#holder.acceptWire(socket);
    await handshake.catch(() => socket.destroy());
    this.#unproved.delete(socket);
  }
}
