import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type GitServer, startGitServer } from "../git-server.ts";
import { realKey } from "./models.ts";

/** Secrets that a server uses for its runners, and that must not be anywhere else. */
export const gitCanary = "git-canary-51c8e0d2a7f94b36";
const registryCanary = "registry-canary-9e17b4c05d2f8a63";
export const canaries = [realKey, gitCanary, registryCanary] as const;

/** Has the registry answer with the login that it got. */
export const readRegistry = "curl -si ${npm_config_registry}is-number > answer.txt; cat answer.txt; env";

/** A git host and a package registry that need a login. */
export class CanaryHosts implements AsyncDisposable {
  readonly git: GitServer;
  readonly environment: Readonly<Record<string, string>>;
  /** Number of requests that the registry got with its login. */
  readonly #countRequests: () => number;
  readonly #closeRegistry: () => Promise<unknown>;

  private constructor(parts: Pick<CanaryHosts, "git" | "environment">, registry: CanaryRegistry) {
    this.git = parts.git;
    this.environment = parts.environment;
    this.#countRequests = registry.countRequests;
    this.#closeRegistry = registry.close;
  }

  static async start(folder: string): Promise<CanaryHosts> {
    const git = await startGitServer(folder, `x-access-token:${gitCanary}`);
    const registry = await startRegistry();
    const credentials = [{ host: new URL(git.url).host, token: { env: "CANARY_GIT_TOKEN" } }];
    const registries = [{ name: "canary", kind: "npm", url: registry.url, token: { env: "CANARY_NPM_TOKEN" } }];
    const write = (name: string, content: object) => {
      const path = join(folder, name);
      writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
      return path;
    };
    const environment = {
      WHARF_GIT_HOSTS: "127.0.0.1+loopback+http",
      WHARF_GIT_CREDENTIALS: write("git-credentials.json", { credentials }),
      WHARF_REGISTRIES: write("registries.json", { registries }),
      CANARY_GIT_TOKEN: gitCanary,
      CANARY_NPM_TOKEN: registryCanary,
    };
    return new CanaryHosts({ git, environment }, registry);
  }

  get registryRequests(): number {
    return this.#countRequests();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.git[Symbol.asyncDispose]();
    await this.#closeRegistry();
  }
}

interface CanaryRegistry {
  readonly url: string;
  readonly countRequests: () => number;
  readonly close: () => Promise<unknown>;
}

/** Answers with what it was sent, as a hostile registry would. */
async function startRegistry(): Promise<CanaryRegistry> {
  let requests = 0;
  const server = createServer((req, res) => {
    if (req.headers.authorization !== `Bearer ${registryCanary}`) return void res.writeHead(401).end();
    requests += 1;
    res.writeHead(200, { "content-type": "application/json", "x-echo": req.headers.authorization });
    res.end(JSON.stringify({ name: "is-number", echo: req.headers }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    countRequests: () => requests,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
