import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { createCertificates } from "../certificates.ts";

/**
 * An HTTPS server with files at paths, as package registries are, and a certificate authority of
 * its own. Disposing of it closes all connections.
 */
export class PackageRegistry implements AsyncDisposable {
  readonly host: string;
  /** The authority's certificate. */
  readonly certificate: string;
  readonly requests: string[] = [];
  readonly #files: Readonly<Record<string, string | Buffer>>;
  readonly #server: Server;

  private constructor(host: string, folder: string, files: Readonly<Record<string, string | Buffer>>) {
    this.host = host;
    this.#files = files;
    const { authority, key, cert } = createCertificates(`DNS:${host}`, folder);
    this.certificate = authority;
    this.#server = createServer({ key, cert }, (req, res) => {
      const path = decodeURIComponent(req.url ?? "");
      this.requests.push(path);
      const file = this.#files[path];
      if (file === undefined) res.writeHead(404).end();
      else
        res.writeHead(200, { "content-type": path.endsWith("/") ? "text/html" : "application/octet-stream" }).end(file);
    });
  }

  /** Serves the files under the name of a host, whose certificates are written to the folder. */
  static async start(
    host: string,
    folder: string,
    files: Readonly<Record<string, string | Buffer>>,
  ): Promise<PackageRegistry> {
    const registry = new PackageRegistry(host, folder, files);
    registry.#server.listen(0, "127.0.0.1");
    await once(registry.#server, "listening");
    return registry;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
