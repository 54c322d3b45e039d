import { createSign } from "node:crypto";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { GithubApp } from "./credential-entry.ts";
import type { ExpiringLogin } from "./login-cache.ts";

const requestTimeoutMs = 20_000;
const maxAnswerBytes = 256 * 1024;
/** A token is replaced this long before its end: a fetch may take a while. */
const renewBeforeMs = 10 * 60_000;
/** GitHub accepts ten minutes at most, and nothing that begins in the future. */
const assertionSeconds = 9 * 60;
const backdateSeconds = 60;

const Installation = z.object({ id: z.number().int() });
const InstallationToken = z.object({ token: z.string().min(1), expires_at: z.iso.datetime({ offset: true }) });
const Refusal = z.object({ message: z.string() });

/** Gets a token of a GitHub App for one repository: other repositories refuse it. */
export async function requestInstallationToken(app: GithubApp, path: string): Promise<ExpiringLogin> {
  const [owner = "", repository = ""] = path.split("/").filter(Boolean);
  const name = repository.replace(/\.git$/, "");
  if (owner === "" || name === "") throw new Error(`${path} is not a repository of GitHub`);
  const client = new GithubClient(app, await readFile(app.private_key_file, "utf8"));
  const id =
    app.installation_id ??
    Installation.parse(
      await client.send("GET", `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(name)}/installation`),
    ).id;
  const body = { repositories: [name] };
  const { token, expires_at } = InstallationToken.parse(
    await client.send("POST", `/app/installations/${id}/access_tokens`, body),
  );
  const lifetimeMs = Date.parse(expires_at) - client.now();
  return {
    login: { username: "x-access-token", password: token },
    renewAt: Date.now() + Math.max(lifetimeMs - renewBeforeMs, 0),
  };
}

class GithubClient {
  readonly #app: GithubApp;
  readonly #key: string;
  /** How far GitHub's clock is ahead of this machine's. */
  #skewMs = 0;

  constructor(app: GithubApp, key: string) {
    this.#app = app;
    this.#key = key;
  }

  /** Returns the time by GitHub's clock, as far as it is known. */
  now(): number {
    return Date.now() + this.#skewMs;
  }

  async send(method: "GET" | "POST", path: string, body?: unknown): Promise<unknown> {
    const first = await this.#request(method, path, body);
    const date = Date.parse(first.date);
    const isSkewed = first.status === 401 && Math.abs(date - this.now()) > backdateSeconds * 500;
    if (isSkewed) this.#skewMs = date - Date.now();
    const { status, text } = isSkewed ? await this.#request(method, path, body) : first;
    const answer = parseJson(text);
    if (status >= 200 && status < 300) return answer;
    const refusal = Refusal.safeParse(answer);
    const words = refusal.success ? `: ${refusal.data.message.slice(0, 200)}` : "";
    throw new Error(`GitHub answers ${status} to ${method} ${path}${words}`);
  }

  async #request(method: string, path: string, body: unknown): Promise<{ status: number; date: string; text: string }> {
    const response = await fetch(`${this.#app.api.replace(/\/+$/, "")}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#createAssertion()}`,
        accept: "application/vnd.github+json",
        "x-github-api-version": "2022-11-28",
        "user-agent": "wharf",
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      // A redirect would carry the assertion elsewhere.
      redirect: "error",
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > maxAnswerBytes) throw new Error("GitHub's answer is too long");
      chunks.push(chunk);
    }
    const text = Buffer.concat(chunks).toString("utf8");
    return { status: response.status, date: response.headers.get("date") ?? "", text };
  }

  /** Proves to GitHub that the server has the app's key. */
  #createAssertion(): string {
    const nowSeconds = Math.floor(this.now() / 1_000);
    const claims = {
      iat: nowSeconds - backdateSeconds,
      exp: nowSeconds + assertionSeconds,
      iss: String(this.#app.app_id),
    };
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
    const content = `${encode({ alg: "RS256", typ: "JWT" })}.${encode(claims)}`;
    return `${content}.${createSign("RSA-SHA256").update(content).sign(this.#key, "base64url")}`;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
