import { execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, vi } from "vitest";
import { type CredentialUse, createDockerBackend, type RunnerSpec } from "../packages/server/src/backends/index.ts";
import { kitFolder } from "../scripts/build.ts";
import { createRunnerSpec } from "./conformance/conformance-harness.ts";
import { createDockerCli } from "./support/docker-engines.ts";
import { eventually } from "./support/eventually.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";
import { dockerAddress, ensureImage, withTestService } from "./support/test-services.ts";

/**
 * The host's credentials in containers of a real engine: only for the agents that a setting names.
 */
const { test, present } = withTestService("docker");
const isSkipped = !present && !process.env["CI"];
const host = dockerAddress();
const docker = createDockerCli(host);
const runnerUser = 1000;
/** Every secret file contains this text, so that a test can search for leaks. */
const secret = "s3cret-that-no-other-agent-reads";

let folder: string;
let remote: string;
let image: string;
let sshAgent: { readonly socket: string; end(): Promise<void> };

beforeAll(async () => {
  if (isSkipped) return;
  folder = createScratchFolder();
  remote = createRepository(join(folder, "remote"));
  image = process.env["WHARF_RUNNER_IMAGE"] ?? ensureImage("runner");
  mkdirSync(join(folder, ".ssh"), { mode: 0o700 });
  const files = {
    ".gitconfig": "[user]\n\tname = The Owner\n",
    ".git-credentials": `https://owner:${secret}@git.example\n`,
    ".ssh/known_hosts": "git.example ssh-ed25519 AAAA\n",
    ".ssh/config": `# ${secret}\n`,
    ".ssh/id_ecdsa": `${secret}\n`,
  };
  for (const [path, content] of Object.entries(files)) writeFileSync(join(folder, path), content, { mode: 0o600 });
  const key = ["-q", "-t", "ed25519", "-N", "", "-C", secret, "-f", join(folder, ".ssh/id_ed25519")];
  execFileSync("ssh-keygen", key);
  sshAgent = await startAgent(join(folder, "agent"));
}, 300_000);

afterAll(async () => {
  if (isSkipped) return;
  await sshAgent.end();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the person's ssh agent as the runner's user, the only user that it answers. */
async function startAgent(place: string) {
  mkdirSync(place);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(place, runnerUser, runnerUser);
  const socket = join(place, "agent.sock");
  const child = spawn("ssh-agent", ["-D", "-a", socket], {
    stdio: "ignore",
    ...(isRoot && { uid: runnerUser, gid: runnerUser }),
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await eventually(() => existsSync(socket), true);
  const end = () => {
    child.kill("SIGTERM");
    return ended;
  };
  return { socket, end };
}

const inside = (id: string, script: string) => docker("exec", `wharf-${id}`, "sh", "-c", script);
const listing = "cd ~; stat -c '%n %a %u' .gitconfig .git-credentials .ssh $(find .ssh -type f | sort) 2>&1";
const whole = [
  ".gitconfig 644 1000",
  ".git-credentials 600 1000",
  ".ssh 700 1000",
  ".ssh/id_ed25519 600 1000",
  ".ssh/known_hosts 644 1000",
];

describe("a server that gives credentials to one agent", () => {
  // K-027 K-074 K-075 K-078
  test("lets that agent read them, reports them by name, and leaves none behind; another agent has none", async () => {
    const serverLog = join(folder, "server.log");
    vi.stubEnv("WHARF_TEST_LOG", serverLog);
    using _ = { [Symbol.dispose]: () => void vi.unstubAllEnvs() };
    await using wharf = new ServerHarness(folder, {
      WHARF_BACKEND: "docker",
      DOCKER_HOST: host,
      WHARF_RUNNER_IMAGE: image,
      WHARF_HOST_CREDENTIALS: "trusted=gitconfig,git-credentials,ssh,ssh-agent",
      SSH_AUTH_SOCK: sshAgent.socket,
      // The runners in the pool have no credentials, so this agent cannot use them.
      WHARF_POOL: "small=1",
    });
    await wharf.start();
    const taken: string[] = [];
    await using isEndOf = new AsyncDisposableStack();
    isEndOf.defer(async () => {
      const { tasks } = await wharf.client.call(api.listTasks, { query: {} });
      for (const { id } of tasks) await wharf.client.call(api.deleteTask, { params: { task_id: id } });
      await eventually(
        () => taken.filter((id) => docker("ps", "--all", "--quiet", "--filter", `name=${id}`)),
        [],
        60_000,
      );
    });
    const body = { name: "trusted", command: ["wharf-demo-agent"] };
    await wharf.client.call(api.createAgentType, { body });
    const getRunnerId = async (agent_type: string, words: string) => {
      const task = await wharf.createTask({ repository_url: remote, agent_type });
      const events = await wharf.turn(task, words);
      const { agents } = await wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } });
      const id = agents[0]?.runner_id ?? "";
      taken.push(id);
      return { task, said: getAgentText(events), id };
    };
    const look = "demo: run ssh-add -l > seen.txt 2>&1; git config --global user.name >> seen.txt\ndemo: read seen.txt";
    const { task, said, id } = await getRunnerId("trusted", look);
    // The agent finds the ssh agent, which has no key, and uses its owner's identity for git.
    expect(said).toMatch(/The agent has no identities\.\nThe Owner/);
    expect(inside(id, listing).split("\n")).toEqual(whole);
    const key = readFileSync(join(folder, ".ssh/id_ed25519"), "utf8");
    expect(inside(id, "cat ~/.ssh/id_ed25519")).toBe(key.trim());
    const writes = [
      "echo x >> ~/.gitconfig",
      "git config --global user.name evil",
      "rm ~/.ssh/known_hosts",
      "touch ~/.ssh/new",
      "chmod 644 ~/.ssh/id_ed25519",
      "mv ~/.ssh ~/moved",
      "rm /run/ssh-agent.sock",
    ];
    for (const write of writes)
      expect(inside(id, `(${write}) 2>&1 && echo done || true`), write).toMatch(
        /Read-only|busy|denied|could not lock/i,
      );
    expect(statSync(join(folder, ".ssh/id_ed25519")).mode & 0o777).toBe(0o600);
    const notices = (await wharf.events(task.id)).flatMap(({ data }) => (data.kind === "notice" ? [data.message] : []));
    expect(notices).toEqual([
      "HOST CREDENTIALS: the agent 'trusted' can read these credentials of the server's machine: ~/.gitconfig, ~/.git-credentials, " +
        "~/.ssh/id_ed25519, ~/.ssh/known_hosts, the ssh agent. Not available: ~/.ssh/id_rsa (missing).",
    ]);

    const other = await getRunnerId("demo", look);
    expect(other.said).not.toMatch(/The Owner|identities/);
    const mounts = JSON.parse(docker("inspect", `wharf-${other.id}`))[0].HostConfig.Mounts;
    expect(JSON.stringify(mounts)).not.toMatch(/credentials|\.ssh|agent/);
    expect(inside(other.id, "ls -A ~; env")).not.toMatch(/\.ssh|\.git|SSH_AUTH_SOCK/);
    expect((await wharf.events(other.task.id)).filter(({ data }) => data.kind === "notice")).toEqual([]);

    for (const one of [task, other.task]) await wharf.client.call(api.deleteTask, { params: { task_id: one.id } });
    await eventually(() => existsSync(join(wharf.data, "docker", `${id}.credentials`)), false, 60_000);
    // The secret appears nowhere in the server's files, its database or its logs.
    expect(execFileSync("sh", ["-c", `grep -rl '${secret}' "$0" || true`, wharf.data], { encoding: "utf8" })).toBe("");
    expect(readFileSync(serverLog, "utf8")).toContain("gave a runner credentials of this machine");
    expect(readFileSync(serverLog, "utf8")).not.toContain(secret);
  });
});

describe("a runner with credentials", () => {
  const openBackend = (home: string, socket?: string) =>
    createDockerBackend({
      folder: join(folder, "docker"),
      kit: kitFolder,
      node: process.execPath,
      server: `credentials-${process.pid}`,
      engine: { host },
      image,
      credentials: { home, sshAgent: socket },
    });

  // K-078
  test("has none while it is stopped, for an agent without credentials, and when they cannot be reported", async () => {
    await using parts = new AsyncDisposableStack();
    const backend = await openBackend(folder);
    parts.defer(() => backend.close());
    const plain = createRunnerSpec();
    const spec: RunnerSpec = { ...plain, credentials: ["gitconfig", "ssh"] };
    parts.defer(() => backend.destroy(spec.id));
    const copies = join(folder, "docker", `${spec.id}.credentials`);
    const uses: CredentialUse[] = [];
    const tell = async (use: CredentialUse) => void uses.push(use);
    await expect(
      backend.create(spec, undefined, { onCredentials: () => Promise.reject(new Error("no log")) }),
    ).rejects.toThrow("no log");
    expect(existsSync(copies)).toBe(false);

    await backend.create(spec, undefined, { onCredentials: tell });
    await backend.create(spec, undefined, { onCredentials: tell });
    expect(uses).toHaveLength(1);
    inside(spec.id, "test -r ~/.ssh/id_ed25519");
    expect(statSync(copies)).toMatchObject({ uid: runnerUser });
    expect(statSync(copies).mode & 0o777).toBe(0o700);
    await backend.stop(spec.id);
    expect(existsSync(copies)).toBe(false);

    await backend.create(spec, undefined, { onCredentials: tell });
    expect(uses).toHaveLength(2);
    await backend.create(plain, undefined, { onCredentials: tell });
    expect(uses).toHaveLength(2);
    expect(inside(spec.id, "cat ~/.gitconfig ~/.ssh/* 2>&1 || true")).not.toContain("The Owner");
    expect(existsSync(copies)).toBe(false);
  });

  // K-074 K-075
  test("starts without missing credentials, and reports which and why", async () => {
    const home = join(folder, "empty");
    mkdirSync(join(home, ".git-credentials"), { recursive: true });
    writeFileSync(join(home, "socket"), "");
    await using parts = new AsyncDisposableStack();
    const backend = await openBackend(home, join(home, "socket"));
    parts.defer(() => backend.close());
    const spec: RunnerSpec = {
      ...createRunnerSpec(),
      credentials: ["gitconfig", "git-credentials", "ssh", "ssh-agent"],
    };
    parts.defer(() => backend.destroy(spec.id));
    const uses: CredentialUse[] = [];
    await backend.create(spec, undefined, { onCredentials: async (use) => void uses.push(use) });
    expect(uses).toEqual([
      {
        given: [],
        missing: [
          "~/.gitconfig (missing)",
          "~/.git-credentials (not a file)",
          "~/.ssh/id_rsa (missing)",
          "~/.ssh/id_ed25519 (missing)",
          "~/.ssh/known_hosts (missing)",
          "the ssh agent (SSH_AUTH_SOCK is not a socket)",
        ],
      },
    ]);
    expect(inside(spec.id, "ls -A ~")).not.toMatch(/\.git|\.ssh/);
  });
});
