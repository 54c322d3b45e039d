import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { api, type AgentTypeInput, type Event, type TaskInput } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GitServer, startGitServer } from "./support/git-server.ts";
import { Bystander, failures, settled, wholeLog } from "./support/log.ts";
import { peakMemory } from "./support/processes.ts";
import { git, makeRepository } from "./support/repository.ts";
import { chosenServer, isPushed, scratchFolder, spoken, Wharf } from "./support/wharf.ts";

/**
 * Bad repositories and bad agents cause a clear error and no loss: the log keeps its events, and
 * other tasks work as before.
 */
const times = { agentStart: 4_000, turnIdle: 4_000, retryDelay: 200 }; // ms

let folder: string;
let wharf: Wharf;
let good: string;
let gitServer: GitServer;
let bystander: Bystander;

beforeAll(async () => {
  folder = scratchFolder();
  good = makeRepository(join(folder, "good"));
  gitServer = await startGitServer(folder, "ada:right");
  wharf = new Wharf(
    folder,
    { MAX_REPO_SIZE_MB: "1", WHARF_MAX_RUNS: "12", WHARF_TEST_TIMES: JSON.stringify(times) },
    chosenServer,
  );
  await wharf.start();
  bystander = await Bystander.at(wharf, good);
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await gitServer[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

type Failure = ReturnType<typeof failures>[number];

interface Bad {
  readonly fields?: Partial<TaskInput>;
  readonly prompt?: string;
  /** The error and the next step, as a person reads them. */
  readonly code: string;
  readonly message: RegExp;
  readonly next: RegExp;
}

/**
 * Makes a task fail, then checks that the task and its run report the reason, and that a valid
 * prompt works afterwards.
 */
async function failsWell(bad: Bad): Promise<Event[]> {
  const task = await wharf.createTask({ repository_url: good, ...bad.fields });
  const before = await wholeLog(wharf, task);
  await wharf.prompt(task, bad.prompt ?? "demo: say never");
  const failed = await settled(wharf, task);
  const events = await wholeLog(wharf, task, before);
  expect(failures(events).at(-1)).toMatchObject({
    code: bad.code,
    message: expect.stringMatching(bad.message),
    next: expect.stringMatching(bad.next),
  } satisfies Partial<Record<keyof Failure, unknown>>);
  expect(failed.state).toBe("FAILED");
  await bystander.works();

  await wharf.client.call(api.updateTask, { params: { task_id: task.id }, body: { repository_url: good } });
  const again = { text: "demo: say now it works", agent_type: "demo" };
  await wharf.client.call(api.promptTask, { params: { task_id: task.id }, body: again });
  const { agents } = await wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } });
  expect(agents.at(-1)).toMatchObject({
    status: "FAILED",
    error_code: bad.code,
    error_message: expect.stringMatching(bad.message),
  });
  expect(await settled(wharf, task)).toMatchObject({ state: bad.fields?.branch ? "FAILED" : "REVIEW" });
  await wholeLog(wharf, task, events);
  return events;
}

async function agentType(
  name: string,
  command: string[],
  protocol: AgentTypeInput["protocol"] = "acp",
): Promise<string> {
  await wharf.client.call(api.createAgentType, { body: { name, command, protocol } });
  return name;
}

/** Needs 400 MiB of memory. */
const eat = `perl -e '$x = "x" x (400 * 2 ** 20)'`;

describe.concurrent("an agent that", () => {
  test("never answers a prompt is ended, its process too", async () => {
    const events = await failsWell({
      prompt: "demo: say before\ndemo: hang deaf",
      code: "agent_timeout",
      message: /no answer to the prompt within 4 s/,
      next: /log/,
    });
    expect(spoken(events)).toBe("before\n");
    expect(events.some(({ data }) => data.kind === "agent_exit" && data.signal === "SIGKILL")).toBe(true);
  });

  test("never answers at its start is given up", async () => {
    const agent_type = await agentType("mute", ["sh", "-c", "cat > /dev/null"]);
    await failsWell({
      fields: { agent_type },
      code: "agent_timeout",
      message: /no answer to initialize within 4 s/,
      next: /choose another agent/,
    });
  });

  test("prints garbage and nothing else is given up, and the garbage can be read", async () => {
    const agent_type = await agentType("garbage", ["sh", "-c", "while :; do echo '<<garbage>>'; sleep 0.2; done"]);
    const events = await failsWell({
      fields: { agent_type },
      code: "agent_timeout",
      message: /no answer to initialize within 4 s/,
      next: /log/,
    });
    expect(events.some(({ data }) => data.kind === "output" && data.text.includes("<<garbage>>"))).toBe(true);
  });

  test("is not installed is refused before anything starts", async () => {
    const agent_type = await agentType("not-there", ["no-such-program"]);
    const task = await wharf.createTask({ repository_url: good, agent_type });
    const before = await wholeLog(wharf, task);
    await expect(wharf.prompt(task, "x")).rejects.toMatchObject({
      code: "agent_type_unavailable",
      message: expect.stringContaining("'no-such-program' is not on the PATH"),
      next: expect.stringContaining("wharf doctor"),
    });
    expect(await wholeLog(wharf, task)).toEqual(before);
    expect(await wharf.task(task.id)).toMatchObject({ state: "TODO" });
    await bystander.works();
  });

  test("that asks nobody is refused under a policy that wants questions, before there is a task", async () => {
    const type = { name: "printer", command: ["sh", "-c", "cat"], protocol: "text" as const };
    await wharf.client.call(api.createAgentType, { body: type });
    const fields = { title: "Never there", repository_url: good, agent_type: "printer" };
    for (const permission_policy of ["ask", "allow-edits"] as const) {
      await expect(wharf.createTask({ ...fields, permission_policy })).rejects.toMatchObject({
        code: "policy_unsupported",
        message: expect.stringMatching(
          `The agent 'printer' cannot work under .* '${permission_policy}': .*asks nobody`,
        ),
        next: expect.stringContaining("allow-all"),
      });
    }
    const { tasks } = await wharf.client.call(api.listTasks, { query: { limit: 100 } });
    expect(tasks.map(({ title }) => title)).not.toContain("Never there");
    // A task that names no agent refuses a prompt for one.
    const task = await wharf.createTask({ repository_url: good, permission_policy: "ask" });
    const params = { task_id: task.id };
    await expect(
      wharf.client.call(api.promptTask, { params, body: { text: "x", agent_type: "printer" } }),
    ).rejects.toMatchObject({ code: "policy_unsupported" });
  });

  test("has no such mode or model fails with what it offers, and is not prompted", async () => {
    for (const choice of [{ agent_mode: "chaos" }, { agent_model: "huge" }]) {
      const [[what, id] = []] = Object.entries(choice);
      const task = await wharf.createTask({ repository_url: good, ...choice });
      await wharf.prompt(task, "say never said");
      const events = await wharf.until(task.id, ({ data }) => data.kind === "state" && data.to === "FAILED");
      const failure = events.find(({ data }) => data.kind === "failure")?.data;
      expect(failure).toMatchObject({ code: "choice_unavailable", next: expect.stringContaining("--default") });
      expect(JSON.stringify(failure)).toContain(`The agent has no ${what?.slice("agent_".length)} '${id}'; it offers`);
      expect(spoken(events)).toBe("");
    }
    await bystander.works();
  });

  test("does not start leaves its last words", async () => {
    const agent_type = await agentType("no-start", ["sh", "-c", "echo I cannot find my model >&2; exit 3"]);
    await failsWell({
      fields: { agent_type },
      code: "agent_start_failed",
      message: /exit code 3[^]*cannot find my model/,
      next: /Run the command by hand/,
    });
  });

  test("prints garbage among its messages does its work all the same", async () => {
    const task = await wharf.createTask({ repository_url: good });
    await wharf.prompt(
      task,
      [
        'demo: print {"jsonrpc": "2.0", broken',
        "demo: print \u0001\u0002\uFFFD",
        "demo: write a.txt fine",
        "demo: say done",
      ].join("\n"),
    );
    expect(await settled(wharf, task)).toMatchObject({ state: "REVIEW" });
    const events = await wholeLog(wharf, task);
    expect(spoken(events)).toBe("wrote a.txt\ndone\n");
    expect(events.flatMap(({ data }) => (data.kind === "output" ? [data.text] : [])).join("\n")).toContain(
      '{"jsonrpc": "2.0", broken',
    );
  });

  test("prints what is not JSON, where JSON lines are due, ends with its exit code and all it printed", async () => {
    const agent_type = await agentType(
      "odd-lines",
      ["sh", "-c", 'echo odd; echo "{}"; echo \'{"type":"log","data":{"message":"even"}}\'; exit 5'],
      "json-lines",
    );
    const events = await failsWell({
      fields: { agent_type },
      code: "agent_exited",
      message: /exit code 5/,
      next: /Prompt the task again/,
    });
    expect(events.flatMap(({ data }) => (data.kind === "output" ? [data.text] : [])).join("\n")).toContain("odd\n{}");
    expect(events.some(({ data }) => data.kind === "report" && data["message"] === "even")).toBe(true);
  });

  // G-057 K-073
  test("is killed for want of memory, or a part of it, fails for that, and works once it has more", async ({
    skip,
  }) => {
    const { limits } = await wharf.client.call(api.serverInfo, {});
    skip(!limits?.split("not limited")[0]?.includes("memory"), limits);
    const fill = "globalThis.kept = Buffer.alloc(250 * 2 ** 20, 1)";
    const withMemory = (name: string, gibibytes: string) =>
      wharf.cli("agent-types", "set", name, "--memory", gibibytes);

    // The kernel kills the largest process: here the agent, not the process of its command.
    const body = {
      name: "fat",
      command: ["wharf-demo-agent"],
      environment_vars: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(fill)}` },
    };
    await wharf.client.call(api.createAgentType, { body });
    await withMemory("fat", "0.5");
    await failsWell({
      fields: { agent_type: "fat" },
      prompt: `demo: run ${eat}`,
      code: "agent_out_of_memory",
      message: /^The agent ended \(signal SIGKILL\) because the runner reached its memory limit of 512 MiB/,
      next: /`wharf agent-types set <name> --memory <GiB>`/,
    });

    const agent_type = await agentType("hungry", ["sh", "-c", `${eat} && echo fed || exit 1`], "text");
    await withMemory("hungry", "0.25");
    const task = await wharf.createTask({ repository_url: good, agent_type });
    await wharf.prompt(task, "eat");
    expect(await settled(wharf, task)).toMatchObject({ state: "FAILED" });
    expect(failures(await wholeLog(wharf, task)).at(-1)).toMatchObject({
      code: "agent_out_of_memory",
      message: expect.stringContaining("(exit code 1) because the runner reached its memory limit of 256 MiB"),
    });
    await withMemory("hungry", "1");
    expect(spoken(await wharf.turn(task, "eat"))).toBe("fed\n");
  });

  test("has a command killed for want of memory goes on, and the task says so", async ({ skip }) => {
    const { limits } = await wharf.client.call(api.serverInfo, {});
    skip(!limits?.split("not limited")[0]?.includes("memory"), limits);
    const agent_type = await agentType("frugal", ["wharf-demo-agent"]);
    await wharf.cli("agent-types", "set", agent_type, "--memory", "0.25");
    const task = await wharf.createTask({ repository_url: good, agent_type });
    const events = await wharf.turn(task, `demo: run ${eat}\ndemo: say alive`);
    expect(spoken(events)).toContain("alive");
    expect(events.flatMap(({ data }) => (data.kind === "notice" ? [data.message] : []))).toContain(
      "The runner reached its memory limit of 256 MiB during this turn: the kernel killed a process in it.",
    );
  });

  // K-073
  test("exits in the middle of its turn leaves what it did and said", async () => {
    const events = await failsWell({
      prompt: "demo: say before\ndemo: stderr my last words\ndemo: exit 7",
      code: "agent_exited",
      message: /middle of its turn \(exit code 7\)/,
      next: /Prompt the task again/,
    });
    expect(spoken(events)).toBe("before\n");
    expect(
      events.some(
        ({ data }) => data.kind === "agent_exit" && data.exit_code === 7 && data.message.includes("my last words"),
      ),
    ).toBe(true);
  });

  test("refuses says why", async () => {
    await failsWell({
      prompt: "demo: fail I want a login",
      code: "agent_refused",
      message: /I want a login/,
      next: /login of its own/,
    });
  });

  test("floods updates loses none of them", async () => {
    const task = await wharf.createTask({ repository_url: good });
    await wharf.prompt(task, "demo: flood 50000");
    await bystander.works();
    expect(await settled(wharf, task)).toMatchObject({ state: "REVIEW" });
    expect(spoken(await wholeLog(wharf, task))).toBe(
      Array.from({ length: 50_000 }, (_, i) => `flood ${i + 1}\n`).join(""),
    );
  });

  test("asks to write or read outside the workspace, or through a symlink, gets an error and goes on", async () => {
    const task = await wharf.createTask({ repository_url: good });
    const attempts = ["/etc/passwd", "../../outside", "link/inside", "file"];
    const prepare = [
      "demo: run ln -s /home/wharf link",
      "demo: run ln -s /home/wharf/secret file",
      "demo: run echo secret > /home/wharf/secret",
    ];
    await wharf.prompt(
      task,
      [
        ...prepare,
        ...attempts.flatMap((path) => [`demo: write ${path} stolen`, `demo: read ${path}`]),
        "demo: run cat /home/wharf/secret",
        "demo: say done",
      ].join("\n"),
    );
    expect(await settled(wharf, task)).toMatchObject({ state: "REVIEW" });
    const events = await wholeLog(wharf, task);
    const refused = failures(events).map(({ code, next }) => ({ code, next }));
    expect(refused).toEqual(
      Array.from({ length: attempts.length * 2 }, () => ({
        code: "path_outside",
        next: "Use a path beneath the workspace.",
      })),
    );
    expect(spoken(events).match(/(write|read) failed: '.*' lies outside the workspace/g)).toHaveLength(
      attempts.length * 2,
    );
    expect(spoken(events)).not.toContain("stolen");
    expect(spoken(events)).toMatch(/done\n$/);
    expect(readFileSync("/etc/passwd", "utf8")).not.toContain("stolen");
    await bystander.works();
  });
});

describe.concurrent("a repository that", () => {
  test("does not exist is named", async () => {
    const at = join(folder, "nowhere");
    await failsWell({
      fields: { repository_url: at },
      code: "repository_missing",
      message: new RegExp(`no repository at ${at}`),
      next: /Check the address/,
    });
  });

  test("is empty has no commit to begin at", async () => {
    mkdirSync(join(folder, "empty"));
    git(join(folder, "empty"), "init", "--quiet");
    await failsWell({
      fields: { repository_url: join(folder, "empty") },
      code: "repository_empty",
      message: /no commit yet/,
      next: /first commit/,
    });
  });

  test("is larger than the limit is not taken, and leaves nothing in the data folder", async () => {
    const huge = makeRepository(join(folder, "huge"), { "big.bin": randomBytes(3 << 20).toString("latin1") });
    await failsWell({
      fields: { repository_url: huge },
      code: "repository_too_large",
      message: /larger than 1 MB/,
      next: /MAX_REPO_SIZE_MB/,
    });
  });

  test("needs a password says so, and is fetched and pushed to with a login of the server's own user, which is in no log", async () => {
    const url = `${gitServer.url}/good/.git`;
    await failsWell({
      fields: { repository_url: url },
      code: "repository_auth",
      message: /wants a login/,
      next: /credential helper/,
    });
    const helper = "!f() { echo username=ada; echo password=right; }; f";
    git(folder, "config", "--file", join(folder, ".gitconfig"), `credential.${gitServer.url}.helper`, helper);
    const task = await wharf.createTask({ repository_url: url });
    await wharf.prompt(task, "demo: write a.txt let in");
    const log = await wharf.until(task.id, isPushed);
    expect(log.find(isPushed)?.data).toMatchObject({ status: "pushed" });
    expect(JSON.stringify(log)).not.toMatch(/ada|password=right/);
  });

  test.each(["https://ada:right@localhost/r.git", "https://ghp_token@localhost/r.git"])(
    "whose address holds a login (%s) is refused before anything is written down",
    async (repository_url) => {
      const refused = await wharf.createTask({ repository_url }).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "bad_request" });
      expect(String(refused)).toContain("without a login");
    },
  );

  test("lacks the branch that was named is called by the name the person gave it", async () => {
    await failsWell({
      fields: { branch: "no-such-branch" },
      code: "branch_missing",
      message: new RegExp(`${good} has no branch 'no-such-branch'`),
      next: /Name a branch that exists/,
    });
  });

  test("is not an address at all is refused", async () => {
    await failsWell({
      fields: { repository_url: "ext::sh -c true" },
      code: "bad_request",
      message: /repository_url/,
      next: /Correct/,
    });
  });
});

test("an agent that prints 100 MB is heard to the end, in bounded memory", { timeout: 60_000 }, async () => {
  const task = await wharf.createTask({ repository_url: good });
  await wharf.prompt(task, "demo: print-bytes 104857600\ndemo: say done");
  await bystander.works();
  expect(await settled(wharf, task, 60_000)).toMatchObject({ state: "REVIEW" });
  const { last_seq } = await wharf.client.call(api.listTaskEvents, {
    params: { task_id: task.id },
    query: { limit: 1 },
  });
  const { events } = await wharf.client.call(api.listTaskEvents, {
    params: { task_id: task.id },
    query: { after: last_seq - 10 },
  });
  expect(spoken(events)).toBe("done\n");
  expect(last_seq).toBeGreaterThan(10_000);
  expect(peakMemory(wharf.pid!)).toBeLessThan(700 * 2 ** 20);
});
