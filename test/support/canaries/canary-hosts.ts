import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type GitServer, startGitServer } from "../git-server.ts";
import { CanaryRegistry } from "./canary-registry.ts";
import { appKey, createCanary } from "./canary.ts";

/** The kinds of registries, and the user name of those that take the token as a password. */
const registryKinds = { npm: undefined, pypi: "ci", go: undefined, cargo: undefined, maven: "ci" } as const;

export const registryNames: readonly string[] = Object.keys(registryKinds).map((kind) => `canary-${kind}`);

/**
 * Git hosts and package registries that need logins: one git host for each kind of login over HTTP,
 * one registry of each kind, and secrets from variables, files and programs.
 */
export class CanaryHosts implements AsyncDisposable {
  /** Git hosts, each of which serves the repositories of the whole folder. */
  readonly git: readonly GitServer[];
  readonly registries: readonly CanaryRegistry[];
  /** The settings with which a server reaches the hosts. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #github: AsyncDisposable;

  private constructor(parts: Pick<CanaryHosts, "git" | "registries" | "environment">, github: AsyncDisposable) {
    this.git = parts.git;
    this.registries = parts.registries;
    this.environment = parts.environment;
    this.#github = github;
  }

  /** The server's secrets are in a folder beside its data. */
  static async start(folder: string): Promise<CanaryHosts> {
    const secrets = join(folder, "secrets");
    mkdirSync(secrets, { recursive: true, mode: 0o700 });
    const write = (name: string, content: string, mode = 0o600) => {
      const path = join(secrets, name);
      writeFileSync(path, content, { mode });
      return path;
    };
    const [token, answer, installation] = ["git-token", "git-command", "git-app"].map(createCanary) as [
      string,
      string,
      string,
    ];
    const github = await startGithub(installation);
    const git = await Promise.all([
      startGitServer(folder, `x-access-token:${token}`),
      startGitServer(folder, `ci:${answer}`),
      startGitServer(folder, `x-access-token:${installation}`),
    ]);
    const [tokenHost = "", commandHost = "", appHost = ""] = git.map(({ url }) => new URL(url).host);
    const helper = write("helper", `#!/bin/sh\necho username=ci\necho password=${answer}\n`, 0o700);
    const github_app = { app_id: 42, private_key_file: write("app.pem", appKey), api: github.url };
    const credentials = [
      { host: tokenHost, token: { env: "CANARY_GIT_TOKEN" } },
      { host: commandHost, command: [helper] },
      { host: appHost, github_app },
    ];
    const packages = await Promise.all(
      Object.entries(registryKinds).map(async ([kind, username]) => {
        const canary = createCanary(kind);
        const login = Buffer.from(`${username}:${canary}`).toString("base64");
        const registry = await CanaryRegistry.start(secrets, username ? `Basic ${login}` : `Bearer ${canary}`);
        const source = { npm: { env: "CANARY_NPM_TOKEN" }, go: { command: ["cat", write(kind, canary)] } };
        const entry = { name: `canary-${kind}`, kind, url: registry.url, ...(username && { username }) };
        const token = source[kind as keyof typeof source] ?? { file: write(kind, canary) };
        return { canary, registry, entry: { ...entry, token } };
      }),
    );
    const registries = packages.map(({ entry }) => entry);
    const environment = {
      WHARF_GIT_HOSTS: "127.0.0.1+loopback+http",
      WHARF_GIT_CREDENTIALS: write("git-credentials.json", JSON.stringify({ credentials })),
      WHARF_REGISTRIES: write("registries.json", JSON.stringify({ registries })),
      CANARY_GIT_TOKEN: token,
      CANARY_NPM_TOKEN: packages[0]?.canary ?? "",
    };
    return new CanaryHosts({ git, registries: packages.map(({ registry }) => registry), environment }, github);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of [...this.git, ...this.registries, this.#github]) await host[Symbol.asyncDispose]();
  }
}

/** Starts GitHub's API, which gives out one token for every repository. */
async function startGithub(token: string): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    response.setHeader("content-type", "application/json");
    if (request.method === "GET") return void response.end(JSON.stringify({ id: 7 }));
    const expires_at = new Date(Date.now() + 3_600_000).toISOString();
    response.writeHead(201).end(JSON.stringify({ token, expires_at }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
