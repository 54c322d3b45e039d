import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { toWharfError } from "./engine-errors.ts";
import { createDockerBackend } from "./index.ts";

let folder: string;
let socketPath: string;
let server: Server | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharf-engine-"));
  socketPath = join(folder, "d.sock");
});
afterEach(() => {
  server?.close();
  server?.closeAllConnections();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function engineThat(answers: RequestListener, at: string | number = socketPath): Promise<number> {
  server = createServer(answers);
  server.listen(at);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

const open = (
  engine: { host: string; certificates?: string; tls?: boolean },
  wire?: "socket" | "exec",
  credentials?: { home: string },
) =>
  createDockerBackend({
    folder: join(folder, "docker"),
    kit: "/kit",
    node: process.execPath,
    server: "test",
    engine,
    image: "wharf-runner:latest",
    wire,
    credentials,
  });

const local = () => ({ host: `unix://${socketPath}` });
const info = {
  ID: "an-engine",
  Name: "elsewhere",
  KernelVersion: "1.0",
  OperatingSystem: "Docker Desktop",
  SecurityOptions: ["name=seccomp,profile=default"],
};
/** This listener answers only the requests that a server sends when it starts. */
const engine =
  (answers: { api?: string; info?: Partial<typeof info> }): RequestListener =>
  ({ url = "" }, response) => {
    response.setHeader("content-type", "application/json");
    if (url.endsWith("/version")) return response.end(JSON.stringify({ ApiVersion: answers.api ?? "1.41" }));
    if (url.endsWith("/info")) return response.end(JSON.stringify({ ...info, ...answers.info }));
    response.statusCode = 400;
    response.end(JSON.stringify({ message: "quota is not supported" }));
  };

test("a missing engine, a stopped engine and an invalid address have different errors", async () => {
  await expect(open(local())).rejects.toMatchObject({
    code: "engine_missing",
    next: expect.stringContaining("DOCKER_HOST"),
  });
  await expect(open({ host: "tcp://127.0.0.1:1" })).rejects.toMatchObject({ code: "engine_unreachable" });
  await expect(open({ host: "docker.example" })).rejects.toMatchObject({ code: "config_invalid" });
  const forbidden = Object.assign(new Error("connect EACCES /var/run/docker.sock"), { code: "EACCES" });
  expect(toWharfError(forbidden, "unix:///var/run/docker.sock")).toMatchObject({
    code: "engine_forbidden",
    next: expect.stringContaining("group `docker`"),
  });
});

test("an engine that is too old is refused with the version that Wharf needs", async () => {
  await engineThat(engine({ api: "1.30" }));
  await expect(open(local())).rejects.toMatchObject({ code: "engine_outdated", next: expect.stringContaining("1.41") });
});

test("an engine without a seccomp profile is refused", async () => {
  await engineThat(engine({ info: { SecurityOptions: ["name=seccomp,profile=unconfined"] } }));
  await expect(open(local())).rejects.toMatchObject({ code: "engine_unsafe" });
});

test("an error with certificates names the setting of their folder", async () => {
  const port = await engineThat(engine({}), 0);
  const secured = { host: `tcp://127.0.0.1:${port}`, tls: true };
  await expect(open(secured)).rejects.toMatchObject({
    code: "engine_tls",
    next: expect.stringContaining("DOCKER_CERT_PATH"),
  });
  await expect(open({ ...secured, certificates: folder })).rejects.toMatchObject({ code: "config_invalid" });
  for (const name of ["ca.pem", "cert.pem", "key.pem"]) writeFileSync(join(folder, name), "no certificate");
  await expect(open({ ...secured, certificates: folder })).rejects.toMatchObject({ code: "engine_tls" });
});

test("an engine on another machine uses exec for its wires and refuses the socket", async () => {
  await engineThat(engine({}));
  await expect(open(local(), "socket")).rejects.toMatchObject({ code: "config_invalid", message: /WHARF_DOCKER_WIRE/ });
  const backend = await open(local());
  expect(backend.can.isolation).toBe("container");
  await backend.close();
});

test("a dead server's probe volume is removed, and another server's volume stays", async () => {
  const mine = { Name: "wharf-probe-old", Labels: { "wharf.probe": "test" } };
  const asked: string[] = [];
  await engineThat((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://engine");
    asked.push(`${request.method} ${pathname.replace(/^\/v[\d.]+/, "")} ${searchParams.get("filters") ?? ""}`.trim());
    if (request.method === "GET" && pathname.endsWith("/volumes")) {
      response.setHeader("content-type", "application/json");
      return response.end(JSON.stringify({ Volumes: [mine] }));
    }
    return engine({})(request, response);
  });
  await (await open(local())).close();
  const filtered = `GET /volumes ${JSON.stringify({ label: ["wharf.probe=test"] })}`;
  expect(asked).toEqual(expect.arrayContaining([filtered, "DELETE /volumes/wharf-probe-old"]));
});

// K-074
test("runners of an engine on another machine get no credentials of this machine", async () => {
  await engineThat(engine({}));
  const opening = open(local(), undefined, { home: folder });
  await expect(opening).rejects.toMatchObject({ code: "config_invalid", message: /WHARF_HOST_CREDENTIALS/ });
});
