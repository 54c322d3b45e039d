import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { type IncomingMessage, request, type ServerResponse } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AddressFinder } from "../hosts/addresses.ts";
import { anyAddress, getRejection, git, gitServer, hostGit, Scratch, waitUntil } from "../testing.ts";
import { GitCredentials } from "./credentials/index.ts";
import { toHostEnvironment } from "./environment.ts";
import type { Mirrors } from "./index.ts";
import { createRemoteGit, type NetworkLimits } from "./remote-git.ts";
import { parseRemote } from "./remote.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

const open = (networkLimits: Partial<NetworkLimits> = {}): Mirrors => scratch.openMirrors({ networkLimits });

/** Returns the git and ssh processes of this machine whose command line contains this port. */
function findProcesses(port: number): string[] {
  const lines = execFileSync("ps", ["-eo", "pid,args"], { encoding: "utf8" }).split("\n");
  return lines.filter((line) => /git|ssh/.test(line) && line.includes(`${port}`));
}

/** Starts a host that accepts connections and never sends a byte. */
async function openSilentHost(): Promise<{ port: number; connected: Promise<unknown> }> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    scratch.onClose(async () => socket.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  scratch.onClose(async () => server.close());
  return { port: (server.address() as AddressInfo).port, connected: once(server, "connection") };
}

/** Sends one byte of a git answer each half second, without an end. */
function sendSlowly(req: IncomingMessage, res: ServerResponse): void {
  const service = req.url?.includes("receive-pack") ? "git-receive-pack" : "git-upload-pack";
  res.writeHead(200, { "content-type": `application/x-${service}-advertisement` });
  res.flushHeaders();
  const timer = setInterval(() => res.write("0"), 500);
  res.once("close", () => clearInterval(timer));
}

/** A host that sends nothing over ssh, and one that sends too little over HTTP. */
const slowHosts = [
  {
    what: "an ssh remote that accepts and says nothing",
    start: async () => {
      const { port, connected } = await openSilentHost();
      return { port, connected, url: `ssh://git@127.0.0.1:${port}/repository` };
    },
  },
  {
    what: "an http remote that sends a byte each half second",
    start: async () => {
      const { url, server } = await scratch.listen(sendSlowly);
      return { port: Number(new URL(url).port), connected: once(server, "request"), url: `${url}/repository` };
    },
  },
];

describe.each(slowHosts)("$what", ({ start }) => {
  test("is abandoned at once when the signal aborts, and leaves no process", async () => {
    const { url, port, connected } = await start();
    const leaving = new AbortController();
    const failing = getRejection(open().ensure(url, { signal: leaving.signal }));
    await connected;
    expect(findProcesses(port)).not.toEqual([]);
    leaving.abort(new Error("enough"));
    expect(await failing).toMatchObject({ message: "enough" });
    await waitUntil(() => findProcesses(port).length === 0);
  });

  test("is abandoned when its limit expires, with an error that names it, and leaves no process", async () => {
    const { url, port } = await start();
    const error = await getRejection(open({ listMs: 700 }).ensure(url));
    expect(findProcesses(port)).toEqual([]);
    expect(error).toMatchObject({
      code: "repository_timeout",
      context: { host: `127.0.0.1:${port}`, phase: "list", after_s: 0.7 },
      message: expect.stringContaining(`127.0.0.1:${port} was too slow`),
    });
  });

  test("is abandoned when the limit of the whole call expires", async () => {
    const { url, port } = await start();
    const error = await getRejection(open().ensure(url, { timeoutMs: 700 }));
    expect(error).toMatchObject({ code: "repository_timeout", context: { phase: "fetch", after_s: 0.7 } });
    await waitUntil(() => findProcesses(port).length === 0);
  });
});

/**
 * Starts a working git host that answers requests of one kind too slowly, from the given count per
 * repository on.
 */
async function openTurningHost(slow: RegExp, from: number) {
  const behind = await gitServer(scratch);
  const seen = new Map<string, number>();
  const { url } = await scratch.listen((req, res) => {
    const path = req.url ?? "";
    seen.set(path, (seen.get(path) ?? 0) + 1);
    if (slow.test(path) && (seen.get(path) ?? 0) >= from) return sendSlowly(req, res);
    const { hostname, port } = new URL(behind);
    const passed = request({ hostname, port, path, method: req.method, headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    passed.on("error", () => res.destroy());
    req.pipe(passed);
  });
  const { port, host } = new URL(url);
  return { host, port: Number(port), getUrl: (name: string) => `${url}/${name}/.git`, seen };
}

describe("a remote that becomes slow later", () => {
  test("in a fetch is abandoned when its limit expires, and the unfinished mirror is removed", async () => {
    await scratch.repository("source");
    const { getUrl, port } = await openTurningHost(/service=git-upload-pack/, 2);
    const mirrors = open({ fetchMs: 700 });
    const error = await getRejection(mirrors.ensure(getUrl("source")));
    expect(error).toMatchObject({ code: "repository_timeout", context: { phase: "fetch" } });
    expect(findProcesses(port)).toEqual([]);
    expect(await readdir(mirrors.folder)).toEqual([]);
  });

  test("in a push is abandoned when its limit expires or the signal aborts", async () => {
    await scratch.repository("source");
    const { getUrl, port } = await openTurningHost(/service=git-receive-pack/, 1);
    const url = getUrl("source");
    const mirrors = open({ pushMs: 700 });
    const { repository_id: id } = await mirrors.ensure(url);
    const sha = await git(mirrors.path(id), "commit-tree", "-m", "work", "-p", "main", "main^{tree}");
    const push = { url, repository_id: id, branch: "shadow/task-1", sha };
    expect(await getRejection(mirrors.forward(push))).toMatchObject({
      code: "repository_timeout",
      context: { phase: "push", host: `127.0.0.1:${port}` },
    });
    expect(findProcesses(port)).toEqual([]);

    const leaving = new AbortController();
    const failing = getRejection(open().forward({ ...push, signal: leaving.signal }));
    await waitUntil(() => findProcesses(port).length > 0);
    leaving.abort(new Error("enough"));
    expect(await failing).toMatchObject({ message: "enough" });
    expect(findProcesses(port)).toEqual([]);
  });
});

test("a child process of an ended git ends too, even if it ignores SIGTERM", async () => {
  const { port } = await openSilentHost();
  // The command reports its settings as ssh does, and otherwise never ends.
  const script = 'case "$*" in *-G*) exit;; esac; trap "" TERM; sleep 600 & wait; sleep 600';
  const stubborn = `sh -c '${script}' ssh-${port}`;
  const mirrors = scratch.openMirrors({
    gitEnvironment: { ...hostGit, GIT_SSH_COMMAND: stubborn },
    networkLimits: { listMs: 500 },
  });
  const error = await getRejection(mirrors.ensure(`ssh://git@127.0.0.1:${port}/repository`));
  expect(error).toMatchObject({ code: "repository_timeout" });
  await waitUntil(() => findProcesses(port).length === 0);
});

describe("transfers with one host", () => {
  const listing = (name: string) => `/${name}/.git/info/refs?service=git-upload-pack`;

  test("are two fetches at a time across repositories; a waiting one can be aborted, and others are not delayed", async () => {
    for (const name of ["a", "b", "c"]) await scratch.repository(name);
    const { getUrl, port, seen } = await openTurningHost(/service=git-upload-pack/, 2);
    const mirrors = open();
    const leaving = new AbortController();
    const fetches = ["a", "b"].map((name) => getRejection(mirrors.ensure(getUrl(name), { signal: leaving.signal })));
    await waitUntil(() => seen.get(listing("a")) === 2 && seen.get(listing("b")) === 2, 20_000);

    const impatient = new AbortController();
    const waiting = getRejection(mirrors.ensure(getUrl("c"), { signal: impatient.signal }));
    expect(await mirrors.ensure(join(scratch.path, "c"))).toMatchObject({ default_branch: "main" });
    expect(await mirrors.ensure(`${await gitServer(scratch)}/c/.git`)).toMatchObject({ default_branch: "main" });
    expect(seen.has(listing("c"))).toBe(false);
    impatient.abort(new Error("enough"));
    expect(await waiting).toMatchObject({ message: "enough" });

    leaving.abort(new Error("over"));
    await Promise.all(fetches);
    await waitUntil(() => findProcesses(port).length === 0);
    expect(seen.has(listing("c"))).toBe(false);
  });

  test("are one push at a time across repositories, and pushes to another host are not delayed", async () => {
    const { getUrl, port, seen } = await openTurningHost(/service=git-receive-pack/, 1);
    const other = await gitServer(scratch);
    const mirrors = open();
    const leaving = new AbortController();
    const forward = async (name: string, url = getUrl(name)) => {
      await scratch.repository(name);
      const { repository_id: id } = await mirrors.ensure(url);
      const sha = await git(mirrors.path(id), "commit-tree", "-m", "work", "-p", "main", "main^{tree}");
      return () => mirrors.forward({ url, repository_id: id, branch: "shadow/x", sha, signal: leaving.signal });
    };
    const [first, second, third] = [
      await forward("a"),
      await forward("b"),
      await forward("other", `${other}/other/.git`),
    ];
    const stuck = getRejection(first());
    await waitUntil(() => seen.has("/a/.git/info/refs?service=git-receive-pack"), 20_000);
    const waiting = getRejection(second());
    await third();
    expect(seen.has("/b/.git/info/refs?service=git-receive-pack")).toBe(false);
    leaving.abort(new Error("enough"));
    for (const each of [stuck, waiting]) expect(await each).toMatchObject({ message: "enough" });
    expect(findProcesses(port)).toEqual([]);
    expect(seen.has("/b/.git/info/refs?service=git-receive-pack")).toBe(false);
  });

  test("wait for their turn until their limit, and report that they waited", async () => {
    const { port } = await openSilentHost();
    const remote = await parseRemote(`ssh://git@127.0.0.1:${port}/repository`, {
      policy: anyAddress,
      organizationId: "",
    });
    const runRemoteGit = createRemoteGit({
      limits: { listMs: 200, fetchMs: 60_000, pushMs: 60_000 },
      policy: anyAddress,
      credentials: new GitCredentials({ file: undefined, environment: {} }),
      findAddresses: new AddressFinder().find,
    });
    const leaving = new AbortController();
    const ask = (phase: "list" | "fetch") =>
      getRejection(
        runRemoteGit({
          phase,
          remote,
          args: ["ls-remote", remote.address],
          environment: toHostEnvironment(hostGit, "ssh"),
          signal: leaving.signal,
        }),
      );
    const stuck = [ask("fetch"), ask("fetch")];
    expect(await ask("list")).toMatchObject({
      code: "repository_timeout",
      context: { phase: "wait" },
      message: `Wharf waited 0.2 s for earlier transfers with 127.0.0.1:${port}, and they did not finish.`,
    });
    leaving.abort(new Error("enough"));
    await Promise.all(stuck);
  });
});
