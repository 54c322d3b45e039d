import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import type { IncomingMessage, RequestListener } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Flood, listeningGateway, Scratch, waitUntil } from "../testing.ts";
import { AddressRewriter } from "./address-rewriter.ts";
import { openRegistries } from "./open-registries.ts";
import { RegistryFile } from "./registry-entry.ts";
import { createAuthorization } from "./registry.ts";

const run = promisify(execFile);
const token = "registry-secret-1";
const authorization = `Bearer ${token}`;

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

/** Starts a registry and a gateway that serves it as `company`. */
async function start(createListener: (getUrl: () => string) => RequestListener, silenceMs?: number) {
  const requests: { url: string; authorization: string | undefined }[] = [];
  const state = { url: "", authorization };
  const listener = createListener(() => state.url);
  const registry = await scratch.listen((req, res) => {
    requests.push({ url: req.url ?? "", authorization: req.headers.authorization });
    if (req.headers.authorization === state.authorization) listener(req, res);
    else res.writeHead(401, { "www-authenticate": "Bearer" }).end();
  });
  state.url = `${registry.url}/npm/`;
  await writeFile(join(scratch.path, "token"), token);
  const entry = { name: "company", kind: "npm", url: state.url, token: { file: join(scratch.path, "token") } } as const;
  const gateway = await listeningGateway(scratch, {
    mirrors: scratch.openMirrors(),
    limits: {
      registries: openRegistries([entry], { environment: {}, onToken: () => undefined }),
      ...(silenceMs !== undefined && { registrySilenceMs: silenceMs }),
    },
  });
  return { ...gateway, state, requests, registryUrl: state.url, base: `${gateway.url}/registries/company/` };
}

/** Fetches a package from the registry that this machine uses. */
async function fetchPackage(spec: string) {
  const { stdout } = await run("npm", ["pack", "--json", spec], { cwd: scratch.path });
  const [{ name, version, filename, integrity }] = JSON.parse(stdout);
  const tarball = await readFile(join(scratch.path, filename));
  const createMetadata = (url: string) => ({
    name,
    "dist-tags": { latest: version },
    versions: { [version]: { name, version, dist: { integrity, tarball: `${url}${name}/-/${filename}` } } },
  });
  return { tarball, createMetadata };
}

test("npm installs a package from a registry that needs a credential, which it never sees", async () => {
  const { tarball, createMetadata } = await fetchPackage("is-number@7.0.0");
  const { base, requests, seen } = await start((getUrl) => (req, res) => {
    if (req.url?.endsWith(".tgz")) return void res.end(tarball);
    res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(createMetadata(getUrl())));
  });
  const folder = join(scratch.path, "project");
  await mkdir(folder);
  await writeFile(join(folder, "package.json"), "{}");
  await run("npm", ["install", "--no-audit", "--no-fund", "--cache", join(scratch.path, "cache"), "is-number@7.0.0"], {
    cwd: folder,
    env: {
      PATH: process.env["PATH"],
      HOME: scratch.path,
      npm_config_registry: base,
      npm_config_update_notifier: "false",
    },
  });
  await run(process.execPath, ["-e", "process.exit(require('is-number')(42) ? 0 : 1)"], { cwd: folder });
  expect(requests.map(({ url }) => url)).toEqual(["/npm/is-number", "/npm/is-number/-/is-number-7.0.0.tgz"]);
  expect(seen.hosts.map(({ name }) => name)).toEqual(["127.0.0.1", "127.0.0.1"]);
});

describe("a request", () => {
  test("carries the registry's credential in place of the program's own, no cookie and no other method", async () => {
    const { base } = await start(() => (req, res) => {
      res.writeHead(200, { "set-cookie": "session=1" }).end(JSON.stringify(req.headers));
    });
    const answer = await fetch(`${base}@scope%2fname?write=true`, {
      headers: { authorization: "Bearer mine", cookie: "a=b", "x-http-method-override": "PUT" },
    });
    expect(answer.headers.get("set-cookie")).toBeNull();
    const headers = await answer.json();
    expect(headers).toMatchObject({ authorization: `Bearer ${"*".repeat(token.length)}` });
    expect(headers).not.toHaveProperty("cookie");
    expect(headers).not.toHaveProperty("x-http-method-override");
  });

  test("is answered without the credential that a hostile registry returns, and not in a compressed form", async () => {
    const { base } = await start(() => (req, res) => {
      const echo = req.headers.authorization ?? "";
      if (req.url === "/npm/packed") return void res.writeHead(200, { "content-encoding": "gzip" }).end(echo);
      const base64 = Buffer.from(echo).toString("base64");
      res.writeHead(302, { "x-echo": echo, location: `https://a.example/?${echo.slice(7)}` }).end(`${echo} ${base64}`);
    });
    const answer = await fetch(`${base}x`, { redirect: "manual" });
    const shown = [await answer.text(), answer.headers.get("x-echo"), answer.headers.get("location")].join(" ");
    expect(shown).not.toContain(token);
    expect(shown).not.toContain(Buffer.from(token).toString("base64").slice(2, 12));
    expect((await fetch(`${base}packed`)).status).toBe(502);
  });

  test("is sent once more if the registry refuses a token that has changed", async () => {
    const { base, requests, seen, state } = await start(() => (req, res) => void res.end(req.headers.authorization));
    await (await fetch(`${base}a`)).text();
    const newToken = "registry-secret-2";
    state.authorization = `Bearer ${newToken}`;
    expect((await fetch(`${base}b`)).status).toBe(401);
    await writeFile(join(scratch.path, "token"), newToken);
    const answer = await fetch(`${base}c`);
    expect([answer.status, await answer.text()]).toEqual([200, `Bearer ${"*".repeat(newToken.length)}`]);
    expect(requests.map(({ url, authorization }) => `${url} ${authorization?.at(-1)}`)).toEqual([
      "/npm/a 1",
      "/npm/b 1",
      "/npm/c 1",
      "/npm/c 2",
    ]);
    await waitUntil(() => seen.hosts.length === 3);
  });

  test("for an audit may have a body", async () => {
    const { base } = await start(() => (req, res) => void req.pipe(res));
    const answer = await fetch(`${base}-/npm/v1/security/advisories/bulk`, { method: "POST", body: '{"a":["1.0.0"]}' });
    expect(await answer.text()).toBe('{"a":["1.0.0"]}');
  });

  test.each([
    ["another method", "x", "PUT", "publish"],
    ["a path that leaves the registry", "..%2fadmin", "GET", "leaves the registry"],
    ["a path with encoded dots", "%2e%2e/admin", "GET", "leaves the registry"],
    ["a path with dots that are encoded twice", "%252e%252E%252fadmin", "GET", "leaves the registry"],
    ["a path with dots and a parameter", "..;x=1/admin", "GET", "leaves the registry"],
    ["a registry that does not exist", "../other/x", "GET", "no registry|does not serve"],
  ])("with %s is refused and reported", async (_what, path, method, reason) => {
    const { url, requests, seen } = await start(() => (_req, res) => void res.end("reached"));
    const target = new URL(url);
    const { request } = await import("node:http");
    const raw = path.startsWith("../") ? `/registries/${path.slice(3)}` : `/registries/company/${path}`;
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request({ host: target.hostname, port: target.port, path: raw, method }, resolve).on("error", reject).end();
    });
    expect(answer.statusCode).toBe(403);
    expect(await text(answer)).toMatch(new RegExp(reason));
    expect(seen.denied).toHaveLength(1);
    expect(requests).toEqual([]);
  });
});

describe("an answer", () => {
  test("has the runner's addresses in place of the registry's, in texts and redirects", async () => {
    const { base, registryUrl } = await start((getUrl) => (req, res) => {
      if (req.url === "/npm/moved") return void res.writeHead(302, { location: "/npm/here" }).end();
      if (req.url === "/npm/away") return void res.writeHead(302, { location: "https://files.example/x" }).end();
      if (req.url === "/npm/file")
        return void res.writeHead(200, { "content-type": "application/octet-stream" }).end(getUrl());
      const body = `{"a":"${getUrl()}x","b":"${getUrl().replaceAll("/", "\\/")}y"}`;
      res.writeHead(200, { "content-type": "application/json", "content-length": body.length });
      res.write(body.slice(0, 12));
      setTimeout(() => res.end(body.slice(12)), 20);
    });
    const escaped = base.replaceAll("/", "\\/");
    expect(await (await fetch(`${base}metadata`)).text()).toBe(`{"a":"${base}x","b":"${escaped}y"}`);
    const follow = { redirect: "manual" } as const;
    expect((await fetch(`${base}moved`, follow)).headers.get("location")).toBe(`${base}here`);
    expect((await fetch(`${base}away`, follow)).headers.get("location")).toBe("https://files.example/x");
    expect(await (await fetch(`${base}file`)).text()).toBe(registryUrl);
  });

  test("that ends before its length, or never comes, is an error", async () => {
    const { base } = await start(
      () => (req, res) => {
        if (req.url === "/npm/silent") return;
        res.writeHead(200, { "content-length": 10 });
        res.write("five!");
        setTimeout(() => res.destroy(), 20);
      },
      200,
    );
    await expect(fetch(`${base}cut`).then((answer) => answer.text())).rejects.toThrow();
    const answer = await fetch(`${base}silent`);
    expect([answer.status, await answer.text()]).toEqual([502, expect.stringContaining("sent nothing")]);
  });
});

test.each([
  ["a status that does not exist", "HTTP/1.1 099 Low\r\ncontent-length: 0\r\n\r\n"],
  ["another protocol", "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n"],
])("an answer with %s is an error, and the next one works", async (_what, hostile) => {
  const { base } = await start(() => (req, res) => {
    if (req.url === "/npm/hostile") req.socket.end(hostile);
    else res.end("fine");
  });
  expect((await fetch(`${base}hostile`)).status).toBe(502);
  expect(await (await fetch(`${base}next`)).text()).toBe("fine");
});

describe("a registry that", () => {
  test("resets the connection, or sends what is no HTTP, is an error of this registry", async () => {
    const { base } = await start(() => (req) => {
      if (req.url === "/npm/garbage") req.socket.end("no HTTP at all");
      else req.socket.resetAndDestroy();
    });
    for (const path of ["reset", "garbage"]) {
      const answer = await fetch(`${base}${path}`);
      expect([answer.status, JSON.parse(await answer.text()).code]).toEqual([502, "host_unreachable"]);
    }
  });

  test("sends 100 MB in one line is forwarded without buffering, also while addresses are rewritten", async () => {
    const total = 100 * 1024 * 1024;
    const flood = new Flood();
    const { base } = await start(() => (_req, res) => {
      res.writeHead(200, { "content-type": "application/json" });
      flood.send(res, { chunk: Buffer.alloc(256 * 1024, "http://127.0.0."), total });
    });
    let bytes = 0;
    let mostHeld = 0;
    for await (const chunk of (await fetch(`${base}metadata`)).body!) {
      bytes += chunk.length;
      mostHeld = Math.max(mostHeld, flood.sentBytes - bytes);
    }
    expect(bytes).toBe(total);
    expect(mostHeld).toBeLessThan(40 * 1024 * 1024);
  });

  test("hangs in the middle of an answer, or never ends it, holds nothing open once it is over", async () => {
    const open = new Set<unknown>();
    const { base, seen } = await start(
      () => (req, res) => {
        open.add(res);
        res.writeHead(200).write("some");
        const timer = setInterval(() => req.url === "/npm/endless" && res.write("more"), 20);
        res.once("close", () => {
          clearInterval(timer);
          open.delete(res);
        });
      },
      300,
    );
    await expect(fetch(`${base}hanging`).then((answer) => answer.text())).rejects.toThrow();
    const leaving = new AbortController();
    await fetch(`${base}endless`, { signal: leaving.signal });
    leaving.abort();
    await waitUntil(() => open.size === 0 && seen.hosts.length === 2);
  });
});

test("an audit of 50 MB is refused with a clear error", async () => {
  let received = 0;
  const { base } = await start(() => (req, res) => {
    req.on("data", (chunk: Buffer) => (received += chunk.length)).on("end", () => res.end("{}"));
  });
  const body = Buffer.alloc(50 * 1024 * 1024, "x");
  const answer = await fetch(`${base}-/npm/v1/security/audits/quick`, { method: "POST", body });
  expect([answer.status, JSON.parse(await answer.text()).code]).toEqual([413, "body_too_large"]);
  expect(received).toBeLessThan(40 * 1024 * 1024);
});

test("addresses are rewritten wherever a text is split", async () => {
  const from = "https://npm.example/a/";
  const to = "http://127.0.0.1:4100/registries/company/";
  const part = fc.oneof(
    fc.constantFrom(from, from.slice(0, -1), "https://", "https:\\/\\/npm.example\\/a\\/"),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(part), fc.array(fc.nat(40)), async (parts, cuts) => {
      const whole = Buffer.from(parts.join(""));
      const rewriter = new AddressRewriter(from, to);
      let at = 0;
      for (const cut of cuts) rewriter.write(whole.subarray(at, (at += cut)));
      rewriter.end(whole.subarray(at));
      const escape = (address: string) => address.replaceAll("/", "\\/");
      expect(await text(rewriter)).toBe(parts.join("").replaceAll(from, to).replaceAll(escape(from), escape(to)));
    }),
  );
});

describe("the file of registries", () => {
  const entry = { name: "company", kind: "npm", url: "https://npm.example/a", token: { env: "NPM_TOKEN" } };
  const parse = (...registries: object[]) => RegistryFile.safeParse({ registries });

  test("names where each token is, which is read when it is needed", async () => {
    const file = join(scratch.path, "token");
    const { registries = [] } =
      parse(
        { ...entry, token: { file } },
        { ...entry, name: "crates", kind: "cargo", username: "ci" },
        { ...entry, name: "wheels", kind: "pypi", token: { env: "MISSING" } },
      ).data ?? {};
    const environment = { NPM_TOKEN: "pässword" };
    const tokens: string[] = [];
    const options = { environment, onToken: (name: string, token: string) => void tokens.push(`${name}: ${token}`) };
    const [npm, cargo, pypi] = openRegistries(registries, options);
    expect(npm).toMatchObject({ name: "company", kind: "npm", url: "https://npm.example/a/" });
    for (const registry of [npm, pypi])
      await expect(registry?.token.get()).rejects.toMatchObject({ code: "registry_token_unusable" });
    await writeFile(file, "t1");
    expect(createAuthorization(npm!, await npm!.token.get())).toBe("Bearer t1");
    const login = Buffer.from("ci:pässword").toString("base64");
    expect(createAuthorization(cargo!, await cargo!.token.get())).toBe(`Basic ${login}`);
    expect(tokens).toEqual(["token of the registry company: t1", "token of the registry crates: pässword"]);
  });

  test.each([
    ["a token in the file", [{ ...entry, token: "secret" }]],
    ["an address with a login", [{ ...entry, url: "https://user:secret@npm.example" }]],
    ["another protocol", [{ ...entry, url: "file:///etc" }]],
    ["a name that is a path", [{ ...entry, name: "../x" }]],
    ["two of a name", [entry, { ...entry, kind: "pypi" }]],
    ["two of a kind", [entry, { ...entry, name: "other" }]],
    ["an unknown field", [{ ...entry, scope: "@a" }]],
  ])("is refused with %s", (_what, registries) => {
    expect(parse(...registries).success).toBe(false);
  });
});
