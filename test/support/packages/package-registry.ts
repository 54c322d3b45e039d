import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

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
    const { authority, key, cert } = createCertificates(host, folder);
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

function createCertificates(host: string, folder: string) {
  const path = (name: string) => join(folder, name);
  mkdirSync(folder, { recursive: true });
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    path("ca.key"),
    "-out",
    path("ca.pem"),
    "-subj",
    "/CN=packages",
    "-days",
    "2",
  );
  openssl("req", ...key, "-keyout", path("host.key"), "-out", path("host.csr"), "-subj", `/CN=${host}`);
  writeFileSync(path("host.ext"), `subjectAltName=DNS:${host}\n`);
  const authority = ["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial"];
  const request = ["-in", path("host.csr"), "-extfile", path("host.ext"), "-out", path("host.pem"), "-days", "2"];
  openssl("x509", "-req", ...authority, ...request);
  const read = (name: string) => readFileSync(path(name), "utf8");
  return { authority: read("ca.pem"), key: read("host.key"), cert: read("host.pem") };
}
