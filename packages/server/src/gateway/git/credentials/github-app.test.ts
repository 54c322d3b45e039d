import { createVerify, generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { getRejection, gitServer, Scratch } from "../../testing.ts";
import type { Mirrors } from "../index.ts";
import { GitCredentials } from "./git-credentials.ts";

let scratch: Scratch;
let file: string;
beforeEach(async () => {
  scratch = await Scratch.make();
  file = join(scratch.path, "git-credentials.json");
});
afterEach(() => scratch[Symbol.asyncDispose]());

const open = (credentials = new GitCredentials({ file, environment: {} })): Mirrors =>
  scratch.openMirrors({ credentials });

describe("a GitHub App", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });

  /** Starts GitHub's API with a separate clock. */
  async function startApi({ skewMs = 0, lifetimeMs = 3_600_000 } = {}) {
    const requests: string[] = [];
    let count = 0;
    const { url } = await scratch.listen((req, res) => {
      const now = Date.now() + skewMs;
      let body = "";
      req.on("data", (chunk) => (body += chunk));
      req.on("end", () => {
        requests.push(`${req.method} ${req.url} ${body}`.trim());
        const answer = (status: number, content: object) => {
          res.writeHead(status, { "content-type": "application/json", date: new Date(now).toUTCString() });
          res.end(JSON.stringify(content));
        };
        const [head = "", claims = "", signature = ""] = (req.headers.authorization ?? "").slice(7).split(".");
        const isSigned = createVerify("RSA-SHA256")
          .update(`${head}.${claims}`)
          .verify(publicKey, signature, "base64url");
        const { iat, exp, iss } = JSON.parse(Buffer.from(claims, "base64url").toString());
        const isCurrent = iat * 1_000 <= now && exp * 1_000 > now && exp - iat <= 600;
        if (!isSigned || iss !== "42" || !isCurrent)
          return answer(401, { message: "A JSON web token could not be decoded" });
        if (req.method === "GET" && req.url === "/repos/source/shop/installation") return answer(200, { id: 7 });
        if (req.method !== "POST" || req.url !== "/app/installations/7/access_tokens")
          return answer(404, { message: "Not Found" });
        count += 1;
        answer(201, { token: `token-${count}`, expires_at: new Date(now + lifetimeMs).toISOString() });
      });
    });
    return { url, requests };
  }

  async function writeApp(api: string): Promise<void> {
    const key = join(scratch.path, "app.pem");
    await writeFile(key, privateKey);
    const entry = { host: "127.0.0.1", github_app: { app_id: 42, private_key_file: key, api } };
    await writeFile(file, JSON.stringify({ credentials: [entry] }), { mode: 0o600 });
  }

  test.each([0, 3_600_000, -3_600_000])(
    "gets one token for concurrent commands, for its repository alone (GitHub's clock is %i ms ahead)",
    async (skewMs) => {
      await scratch.repository("source/shop");
      const api = await startApi({ skewMs });
      await writeApp(api.url);
      const server = await gitServer(scratch, { login: "x-access-token:token-1" });
      const { port } = new URL(server);
      const credentials = new GitCredentials({ file, environment: {} });
      const endpoint = { protocol: "http", name: "127.0.0.1", port: Number(port), user: undefined } as const;
      const use = { endpoint, path: "/source/shop/.git", organizationId: "" };
      const entry = await credentials.find(use);
      const logins = await Promise.all([1, 2, 3].map(() => credentials.getLogin(entry!, use)));
      expect(new Set(logins.map(({ password }) => password))).toEqual(new Set(["token-1"]));
      const requestCount = api.requests.length;
      expect(api.requests.at(-1)).toBe('POST /app/installations/7/access_tokens {"repositories":["shop"]}');
      await open(credentials).ensure(`${server}/source/shop/.git`);
      expect(api.requests).toHaveLength(requestCount);
    },
  );

  test("replaces a token that is about to expire, and asks once more for one that was refused", async () => {
    await scratch.repository("source/shop");
    const api = await startApi({ lifetimeMs: 60_000 });
    await writeApp(api.url);
    let isAccepting = true;
    const server = await gitServer(scratch, {
      login: (given) => (isAccepting && given.startsWith("x-access-token:token-") ? given : "no login"),
    });
    const mirrors = open();
    const url = `${server}/source/shop/.git`;
    const countTokens = () => api.requests.filter((one) => one.startsWith("POST")).length;
    await mirrors.ensure(url);
    const before = countTokens();
    await mirrors.ensure(url);
    expect(countTokens()).toBeGreaterThan(before);
    isAccepting = false;
    const beforeRefusal = countTokens();
    expect(await getRejection(mirrors.ensure(url))).toMatchObject({ code: "git_credential_refused" });
    expect(countTokens() - beforeRefusal).toBeLessThanOrEqual(3);
  });

  test("that GitHub does not know, or that it refuses, is an error with GitHub's words", async () => {
    const api = await startApi();
    await writeApp(api.url);
    expect(await getRejection(open().ensure("http://127.0.0.1:9/source/other/.git"))).toMatchObject({
      code: "git_credential_unusable",
      context: {
        entry: "127.0.0.1 (github_app)",
        reason: "GitHub answers 404 to GET /repos/source/other/installation: Not Found",
      },
    });
  });
});
