import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** The package that the registry serves, and its version. */
export const packageName = "canary-package";
const version = "1.0.0";

/**
 * A package registry that needs a login and repeats it in each answer, as a hostile registry would.
 * npm can install a package from it.
 */
export class CanaryRegistry implements AsyncDisposable {
  readonly url: string;
  readonly #getAnswered: () => number;
  readonly #close: () => Promise<unknown>;

  private constructor(url: string, getAnswered: () => number, close: () => Promise<unknown>) {
    this.url = url;
    this.#getAnswered = getAnswered;
    this.#close = close;
  }

  /** `authorization` is the header that requests need. */
  static async start(folder: string, authorization: string): Promise<CanaryRegistry> {
    const tarball = packPackage(folder);
    let answered = 0;
    const server = createServer((request, response) => {
      if (request.headers.authorization !== authorization) return void response.writeHead(401).end();
      answered += 1;
      answer(request, response, tarball);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const close = async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    };
    return new CanaryRegistry(`http://127.0.0.1:${port}/`, () => answered, close);
  }

  /** Number of requests that had the login. */
  get answered(): number {
    return this.#getAnswered();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

function answer({ url = "", headers }: IncomingMessage, response: ServerResponse, tarball: Buffer): void {
  response.setHeader("x-echo", String(headers.authorization));
  if (url.endsWith(".tgz")) return void response.end(tarball);
  const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
  const address = `http://${headers.host}/${packageName}/-/${packageName}-${version}.tgz`;
  const metadata = {
    name: packageName,
    "dist-tags": { latest: version },
    versions: { [version]: { name: packageName, version, dist: { integrity, tarball: address } } },
    echo: headers,
  };
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(metadata));
}

function packPackage(folder: string): Buffer {
  const content = join(folder, "package");
  mkdirSync(content, { recursive: true });
  writeFileSync(join(content, "package.json"), JSON.stringify({ name: packageName, version }));
  return execFileSync("tar", ["--create", "--gzip", "--directory", folder, "package"]);
}
