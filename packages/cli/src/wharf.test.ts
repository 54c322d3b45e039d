import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommandLine } from "./testing.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharf-cli-"));
});
afterAll(() => rm(folder, { recursive: true }));

const typed = (line: readonly string[], environment: Record<string, string> = {}) =>
  runCommandLine(line, { folder, environment });

describe("a command line", () => {
  test("prints help and version on stdout and exits with 0", async () => {
    expect(await typed(["--version"])).toMatchObject({ code: 0, out: `${version}\n`, err: "" });
    const { code, out, err } = await typed(["run", "--help"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain("--repo");
    expect(out).toContain("--json");
  });

  test.each([
    [["nonsense"]],
    [["task"]],
    [["run"]],
    [["run", "x", "--policy", "perhaps"]],
    [["task", "ls", "--state", "LOST"]],
    [["up", "--wrong"]],
  ])("that is invalid exits with 2: %j", async (line) => {
    const { code, out, err } = await typed(line);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).not.toBe("");
  });

  test("without a server exits with 2 and a next step on stderr", async () => {
    const { code, out, err } = await typed(["task", "ls"]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain("No Wharf server answers");
    expect(err).toContain("wharf up");
  });

  test("sends nothing to a process that listens at a dead server's address", async () => {
    const data = await mkdtemp(join(folder, "stale-"));
    let received = "";
    const thief = createTcpServer((socket) => {
      socket.on("data", (bytes) => {
        received += String(bytes);
        socket.end("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
      });
    }).listen(0, "127.0.0.1");
    await once(thief, "listening");
    const url = `http://127.0.0.1:${(thief.address() as AddressInfo).port}`;
    await writeFile(join(data, "server.json"), JSON.stringify({ url, pid: process.pid }));
    await writeFile(join(data, "owner-token"), "the-owner's-token\n");
    try {
      const runner = "0b0e1f9c-5c3e-4a39-9d0e-3f8f7f6f5e4d";
      for (const line of [
        ["task", "ls"],
        ["task", "ls", "--url", url],
        ["runner", "exec", runner, "--", "ls"],
        ["runner", "attach", runner],
      ]) {
        const { code, err } = await typed(line, { WHARF_DATA: data });
        expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("no server uses this data folder") });
      }
      expect(received).toBe("");
    } finally {
      thief.close();
    }
  });

  test("prints an error as JSON for programs", async () => {
    const { err } = await typed(["task", "ls", "--json"]);
    expect(JSON.parse(err)).toMatchObject({ code: "server_unreachable", next: expect.stringContaining("wharf up") });
  });

  test("ends the output of a run with a summary even if the run could not start", async () => {
    const { code, out } = await typed(["run", "x", "--repo", "a", "--json", "--url", "http://127.0.0.1:1"]);
    expect(code).toBe(2);
    expect(JSON.parse(out)).toMatchObject({ type: "summary", exit_code: 2, failure: { code: "server_unreachable" } });
  });

  test("asks for a repository outside of one", async () => {
    expect(await typed(["run", "x"])).toMatchObject({ code: 2, err: expect.stringContaining("--repo") });
  });

  test("has nothing to stop without a server, and creates no folder", async () => {
    expect(await typed(["down"])).toMatchObject({ code: 0, out: expect.stringContaining("nothing to stop") });
    expect(await typed(["down", "--json"])).toMatchObject({ code: 0, out: '{"type":"down","result":"nothing"}\n' });
  });

  test("separates the words of an agent's command from its own options", async () => {
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += String(chunk)));
      request.on("end", () => {
        const id = "0b0e1f9c-5c3e-4a39-9d0e-3f8f7f6f5e4d";
        response.writeHead(201).end(
          JSON.stringify({
            ...JSON.parse(body),
            id,
            available: true,
            created_at: "x",
            updated_at: "x",
            version: 1,
            shared: false,
            values_hidden: false,
          }),
        );
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const line = [
      "agent-types",
      "add",
      "mine",
      "--url",
      url,
      "--env",
      "A=b=c",
      "--env",
      "D=",
      "--json",
      "--",
      "my-agent",
      "--json",
      "--acp",
    ];
    const { code, out } = await typed(line);
    server.close();
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      name: "mine",
      command: ["my-agent", "--json", "--acp"],
      environment_vars: { A: "b=c", D: "" },
      protocol: "acp",
    });
  });
});

test("gives a command in a runner one day and no stdin by default", async () => {
  const asked: unknown[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => {
      asked.push(JSON.parse(body));
      response.end('{"type":"exit","exit_code":5,"signal":null,"timed_out":false}\n');
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const exec = (...words: string[]) => typed(["--url", url, "runner", "exec", ...words]);
  expect((await exec("00000000", "npm", "test", "--json")).code).toBe(5);
  expect((await exec("-t", "5", "00000000", "ls")).code).toBe(5);
  server.close();
  expect(asked).toMatchObject([
    { command: "npm test --json", timeout_s: 86_400, stdin_open: false },
    { command: "ls", timeout_s: 5 },
  ]);
});

describe("doctor", () => {
  test("exits with 2 and explains how to install what is missing", async () => {
    const { code, out } = await typed(["doctor", "--json"], { PATH: folder });
    const { ok, checks } = JSON.parse(out) as {
      ok: boolean;
      checks: { name: string; status: string; next?: string }[];
    };
    expect({ code, ok }).toEqual({ code: 2, ok: false });
    const git = checks.find(({ name }) => name === "git");
    expect(git).toMatchObject({ status: "fail", next: expect.stringContaining("apt install git") });
    for (const { status, next } of checks) if (status !== "ok") expect(next).toBeTruthy();
  });

  test("does not rely on the presence of the sandbox program", async () => {
    await writeFile(join(folder, "bwrap"), "#!/bin/sh\necho 'no permission to make namespaces' >&2\nexit 1\n", {
      mode: 0o755,
    });
    const { out } = await typed(["doctor"], { PATH: folder });
    expect(out).toMatch(/^warn {2}sandbox .*no permission to make namespaces.*WITHOUT A SANDBOX/m);
  });

  test("reports which limits a local runner has, and that its disk has none", async () => {
    const { out } = await typed(["doctor"], {});
    expect(out).toMatch(/^(ok|warn) +sandbox +.*(not limited: .*disk|WITHOUT A SANDBOX)/m);
  });

  test("names keys and never shows them", async () => {
    const { out } = await typed(["doctor"], { GEMINI_API_KEY: "sk-very-secret" });
    expect(out).toMatch(/^ok +model keys +GEMINI_API_KEY$/m);
    expect(out).not.toContain("sk-very-secret");
  });

  test("checks the logins for git hosts and shows none of them", async () => {
    const file = join(folder, "git-credentials.json");
    const credentials = [
      { host: "github.com", token: { env: "GIT_TOKEN" } },
      { host: "git.example", token: { env: "MISSING" } },
    ];
    await writeFile(file, JSON.stringify({ credentials }), { mode: 0o600 });
    const environment = { WHARF_GIT_CREDENTIALS: file, GIT_TOKEN: "very-secret" };
    const broken = await typed(["doctor"], environment);
    expect(broken.out).toMatch(/^warn +git logins +1 login of 2 cannot be used: git\.example \(token\): .*MISSING$/m);
    const working = await typed(["doctor"], { ...environment, MISSING: "here" });
    expect(working.out).toMatch(/^ok +git logins +.*: github\.com \(token\), git\.example \(token\)$/m);
    expect(broken.out + working.out).not.toContain("very-secret");
    await writeFile(file, "{");
    expect((await typed(["doctor"], environment)).out).toMatch(/^FAIL +git logins +.*is not JSON/m);
  });

  test("checks the tokens of registries and shows none of them", async () => {
    const file = join(folder, "registries.json");
    const registries = [
      { name: "packages", kind: "npm", url: "HTTPS://Npm.Example", token: { env: "NPM_TOKEN" } },
      { name: "wheels", kind: "pypi", url: "https://pypi.example/", token: { file: join(folder, "no-token") } },
    ];
    await writeFile(file, JSON.stringify({ registries }));
    const environment = { WHARF_REGISTRIES: file, NPM_TOKEN: "very-secret" };
    const broken = await typed(["doctor"], environment);
    expect(broken.out).toMatch(/^warn +registries +1 login of 2 cannot be used: wheels \(.*\): .*no-token\)$/m);
    await writeFile(join(folder, "no-token"), "token");
    const working = await typed(["doctor"], environment);
    expect(working.out).toMatch(/^ok +registries +.*: packages \(https:\/\/npm\.example\/\), wheels /m);
    expect(broken.out + working.out).not.toContain("very-secret");
    await writeFile(file, "{");
    expect((await typed(["doctor"], environment)).out).toMatch(/^FAIL +registries +.*not valid JSON/m);
  });

  test("reads the keys of a file of model routes, and says which cannot be read and why", async () => {
    const file = join(folder, "routes.json");
    const writeRoutes = (...keys: readonly object[]) => {
      const upstreams = keys.map((key, index) => ({ base_url: `https://${index}.example/v1`, key }));
      return writeFile(file, JSON.stringify({ routes: { local: { api: "openai", upstreams } } }));
    };
    const environment = { WHARF_ROUTES: file, FIRST_KEY: "sk-very-secret" };
    await writeRoutes({ env: "FIRST_KEY" }, { command: ["echo", "sk-very-secret"] });
    const { out } = await typed(["doctor"], environment);
    expect(out).toMatch(/^ok +model keys +local: https:\/\/0\.example with FIRST_KEY; .*the key that `echo` prints$/m);
    await writeRoutes({ env: "FIRST_KEY" }, { file: "missing" });
    const { out: partly } = await typed(["doctor"], environment);
    expect(partly).toMatch(/^warn +model keys +.*route 'local': its file does not exist\. It is the key in .*missing/m);
    await writeRoutes({ command: ["false"] });
    const { out: failing } = await typed(["doctor"], environment);
    expect(failing).toMatch(/^FAIL +model keys +.*its command ended with code 1\. It is the key that `false` prints/im);
    await writeFile(file, "sk-very-secret");
    const { out: broken } = await typed(["doctor"], environment);
    expect(broken).toMatch(/^FAIL +model keys +WHARF_ROUTES is not valid: .*routes\.json: it is not valid JSON/im);
    for (const text of [out, partly, failing, broken]) expect(text).not.toContain("sk-very-secret");
  });
});
