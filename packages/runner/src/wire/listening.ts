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
const MAX_UNPROVED = 64;

type Place = Exclude<WireConfig, { by: "connect" }>;

/** Listens where the server's byte stream will come, and offers the wire to whoever connects. */
export class WireListener {
  readonly #holder: WireHolder;
  readonly #server: Server;
  readonly #isEncrypted: boolean;
  readonly #unproved = new Set<Socket>();

  private constructor(holder: WireHolder, { by }: Place) {
    this.#holder = holder;
    // A socket of one machine is nobody else's; a port's bytes cross the network of a cluster.
    this.#isEncrypted = by === "port";
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => void this.#arrived(socket));
  }

  static async open(place: Place, holder: WireHolder): Promise<WireListener> {
    const listener = new WireListener(holder, place);
    await listener.#listen(place);
    return listener;
  }

  async close(): Promise<void> {
    for (const socket of this.#unproved) socket.destroy();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  async #listen(place: Place): Promise<void> {
    if (place.by === "listen") {
      mkdirSync(dirname(place.path), { recursive: true });
      // A daemon that was killed leaves its socket behind; the lock on its state says that none is alive.
      rmSync(place.path, { force: true });
      this.#server.listen({ path: place.path });
    } else {
      // All addresses, of IPv6 where the machine has it.
      this.#server.listen({ port: place.port });
    }
    await once(this.#server, "listening");
    // A failed accept (too many open files) concerns one connection only.
    this.#server.on("error", () => undefined);
    if (place.by === "listen") chmodSync(place.path, 0o600);
  }

  async #arrived(socket: Socket): Promise<void> {
    socket.on("error", () => undefined);
    const [oldest] = this.#unproved;
    if (this.#unproved.size >= MAX_UNPROVED) oldest?.destroy();
    this.#unproved.add(socket.once("close", () => this.#unproved.delete(socket)));
    // Who fails to prove itself is cut, in the handshake's own time at the latest.
    const taking = this.#isEncrypted ? this.#holder.takeEncrypted(socket) : this.#holder.take(socket);
    await taking.catch(() => socket.destroy());
    this.#unproved.delete(socket);
  }
}
