import { once } from "node:events";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { WireConfig } from "@wharf/contract";
import type { WireHolder } from "./wire-holder.ts";

/**
 * Connections that have not proved who they are, at most. The agent may open as many as it likes; beyond this the oldest
 * goes, as the server's proof takes two round trips and whoever stays longer has none.
 */
const maxUnprovedWires = 64;

type ListenConfig = Exclude<WireConfig, { by: "connect" }>;

/** Listens where the server's byte stream will come, and offers the wire to whoever connects. */
export class WireListener {
  readonly #holder: WireHolder;
  readonly #server: Server;
  readonly #isEncrypted: boolean;
  readonly #unproved = new Set<Socket>();

  private constructor(holder: WireHolder, { by: transport }: ListenConfig) {
    this.#holder = holder;
    // A socket of one machine is nobody else's; a port's bytes cross the network of a cluster.
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
      // A daemon that was killed leaves its socket behind; the lock on its state says that none is alive.
      rmSync(config.path, { force: true });
      this.#server.listen({ path: config.path });
    } else {
      // All addresses, of IPv6 where the machine has it.
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
    // Who fails to prove itself is cut, in the handshake's own time at the latest.
    const handshake = this.#isEncrypted ? this.#holder.acceptEncryptedWire(socket) : this.#holder.acceptWire(socket);
    await handshake.catch(() => socket.destroy());
    this.#unproved.delete(socket);
  }
}
