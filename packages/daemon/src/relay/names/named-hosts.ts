import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { answerQuery } from "./dns-answer.ts";
import { HostAddresses } from "./host-addresses.ts";

export interface NamedHostsOptions {
  readonly namePort?: number;
  /** The ports at which hosts can be reached. */
  readonly ports?: readonly number[];
  /** Opens a tunnel to `host:port`; resolves to undefined if it is refused. */
  readonly openTunnel: (authority: string, signal: AbortSignal) => Promise<Duplex | undefined>;
}

const namePort = 53;
const webPorts = [80, 443];
const maxConnections = 500;

/**
 * Serves programs that ignore proxies. A name server on the loopback interface gives each host an
 * address there; a connection to that address becomes a tunnel to the host. A host that may not be
 * reached is reset.
 */
export class NamedHosts implements AsyncDisposable {
  readonly #options: NamedHostsOptions;
  readonly #addresses = new HostAddresses();
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  #names: DatagramSocket | undefined;

  private constructor(options: NamedHostsOptions) {
    this.#options = options;
  }

  /** Fails if the ports may not be used, or are in use. */
  static async open(options: NamedHostsOptions): Promise<NamedHosts> {
    const hosts = new NamedHosts(options);
    try {
      await hosts.#listenForNames();
      for (const port of options.ports ?? webPorts) await hosts.#listen(port);
      return hosts;
    } catch (error) {
      await hosts[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#names?.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  async #listenForNames(): Promise<void> {
    const names = createSocket("udp4");
    names.on("message", (query, { address, port }) => {
      const answer = answerQuery(query, (name) => this.#addresses.getAddress(name));
      if (answer) names.send(answer, port, address);
    });
    names.bind(this.#options.namePort ?? namePort, "127.0.0.1");
    await once(names, "listening");
    names.on("error", () => undefined);
    this.#names = names;
  }

  async #listen(port: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => void this.#serve(socket, port));
    server.maxConnections = maxConnections;
    server.listen(port, "0.0.0.0");
    await once(server, "listening");
    this.#servers.push(server);
  }

  async #serve(socket: Socket, port: number): Promise<void> {
    this.#sockets.add(socket);
    const disconnect = new AbortController();
    socket.on("error", () => undefined);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      disconnect.abort(new Error("the client disconnected"));
    });
    const name = this.#addresses.findName(socket.localAddress ?? "");
    const tunnel =
      name === undefined
        ? undefined
        : await this.#options.openTunnel(`${name}:${port}`, disconnect.signal).catch(() => undefined);
    if (tunnel === undefined) return void socket.resetAndDestroy();
    joinStreams(socket, tunnel);
  }
}

/** Copies both directions; each ends alone, and a broken one ends both. */
function joinStreams(one: Duplex, two: Duplex): void {
  for (const [side, other] of [
    [one, two],
    [two, one],
  ] as const) {
    side.on("error", () => undefined);
    side.once("close", () => {
      if (!side.readableEnded || side.errored) other.destroy();
    });
    side.pipe(other);
  }
}
