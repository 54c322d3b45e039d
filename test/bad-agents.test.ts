import { readFileSync } from "node:fs";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FailureHarness } from "./support/failing-tasks.ts";
import { failures, settled, wholeLog } from "./support/log.ts";
import { peakMemory } from "./support/processes.ts";
import { spoken, type Wharf } from "./support/wharf.ts";

/**
 * Bad agents cause a clear error and no loss: the log keeps its events, and other tasks work as
 * before.
 */
let harness: FailureHarness;
let wharf: Wharf;

beforeAll(async () => {
  harness = await FailureHarness.start();
  wharf = harness.wharf;
});
afterAll(() => harness?.[Symbol.asyncDispose]());

/** Needs 400 MiB of memory. */
const eat = `perl -e '$x = "x" x (400 * 2 ** 20)'`;

describe.concurrent("an agent that", () => {
  test("never answers a prompt is ended, its process too", async () => {
    const events = await harness.expectFailure({
      prompt: "demo: say before\ndemo: hang deaf",
      code: "agent_timeout",
      message: /did not answer the prompt within 4 s/,
      next: /log/,
    });
    expect(spoken(events)).toBe("before\n");
    expect(events.some(({ data }) => data.kind === "agent_exit" && data.signal === "SIGKILL")).toBe(true);
  });

  test("never answers at its start is given up", async () => {
    const agent_type = await harness.createAgentType("mute", ["sh", "-c", "cat > /dev/null"]);
    await harness.expectFailure({
      fields: { agent_type },
      code: "agent_timeout",
      message: /did not answer initialize within 4 s/,
      next: /choose another agent/,
    });
  });

  test("prints garbage and nothing else is given up, and the garbage can be read", async () => {
    const agent_type = await harness.createAgentType("garbage", [
      "sh",
      "-c",
      "while :; do echo '<<garbage>>'; sleep 0.2; done",
    ]);
    const events = await harness.expectFailure({
      fields: { agent_type },
      code: "agent_timeout",
      message: /did not answer initialize within 4 s/,
      next: /log/,
    });
    expect(events.some(({ data }) => data.kind === "output" && data.text.includes("<<garbage>>"))).toBe(true);
  });

  test("is not installed is refused before anything starts", async () => {
    const agent_type = await harness.createAgentType("not-there", ["no-such-program"]);
    const task = await wharf.createTask({ repository_url: harness.repository, agent_type });
    const before = await wholeLog(wharf, task);
    await expect(wharf.prompt(task, "x")).rejects.toMatchObject({
      code: "agent_type_unavailable",
      message: expect.stringContaining("'no-such-program' is not on the PATH"),
      next: expect.stringContaining("wharf doctor"),
    });
    expect(await wholeLog(wharf, task)).toEqual(before);
    expect(await wharf.task(task.id)).toMatchObject({ state: "TODO" });
    await harness.bystander.works();
  });

  test("that asks nobody is refused under a policy that wants questions, before there is a task", async () => {
    const type = { name: "printer", command: ["sh", "-c", "cat"], protocol: "text" as const };
    await wharf.client.call(api.createAgentType, { body: type });
    const fields = { title: "Never there", repository_url: harness.repository, agent_type: "printer" };
    for (const permission_policy of ["ask", "allow-edits"] as const) {
      await expect(wharf.createTask({ ...fields, permission_policy })).rejects.toMatchObject({
        code: "policy_unsupported",
        message: expect.stringMatching(
          `The agent 'printer' does not support .* '${permission_policy}': .*does not ask`,
        ),
        next: expect.stringContaining("allow-all"),
      });
    }
    const { tasks } = await wharf.client.call(api.listTasks, { query: { limit: 100 } });
    expect(tasks.map(({ title }) => title)).not.toContain("Never there");
    // A task that names no agent refuses a prompt for one.
    const task = await wharf.createTask({ repository_url: harness.repository, permission_policy: "ask" });
    const params = { task_id: task.id };
    await expect(
      wharf.client.call(api.promptTask, { params, body: { text: "x", agent_type: "printer" } }),
    ).rejects.toMatchObject({ code: "policy_unsupported" });
  });

  test("has no such mode or model fails with what it offers, and is not prompted", async () => {
    for (const choice of [{ agent_mode: "chaos" }, { agent_model: "huge" }]) {
      const [[what, id] = []] = Object.entries(choice);
      const task = await wharf.createTask({ repository_url: harness.repository, ...choice });
      await wharf.prompt(task, "say never said");
      const events = await wharf.until(task.id, ({ data }) => data.kind === "state" && data.to === "FAILED");
      const failure = events.find(({ data }) => data.kind === "failure")?.data;
      expect(failure).toMatchObject({ code: "choice_unavailable", next: expect.stringContaining("--default") });
      expect(JSON.stringify(failure)).toContain(`The agent has no ${what?.slice("agent_".length)} '${id}'; it offers`);
      expect(spoken(events)).toBe("");
    }
    await harness.bystander.works();
  });

  test("does not start leaves its last words", async () => {
    const agent_type = await harness.createAgentType("no-start", [
      "sh",
      "-c",
      "echo I cannot find my model >&2; exit 3",
    ]);
    await harness.expectFailure({
      fields: { agent_type },
      code: "agent_start_failed",
      message: /exit code 3[^]*cannot find my model/,
      next: /run its command yourself/,
    });
  });

  test("prints garbage among its messages does its work all the same", async () => {
    const task = await wharf.createTask({ repository_url: harness.repository });
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
    const agent_type = await harness.createAgentType(
      "odd-lines",
      ["sh", "-c", 'echo odd; echo "{}"; echo \'{"type":"log","data":{"message":"even"}}\'; exit 5'],
      "json-lines",
    );
    const events = await harness.expectFailure({
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
    await harness.expectFailure({
      fields: { agent_type: "fat" },
      prompt: `demo: run ${eat}`,
      code: "agent_out_of_memory",
      message: /^The agent exited \(signal SIGKILL\) because the runner reached its memory limit of 512 MiB/,
      next: /`wharf agent-types set <name> --memory <GiB>`/,
    });

    const agent_type = await harness.createAgentType("hungry", ["sh", "-c", `${eat} && echo fed || exit 1`], "text");
    await withMemory("hungry", "0.25");
    const task = await wharf.createTask({ repository_url: harness.repository, agent_type });
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
    const agent_type = await harness.createAgentType("frugal", ["wharf-demo-agent"]);
    await wharf.cli("agent-types", "set", agent_type, "--memory", "0.25");
    const task = await wharf.createTask({ repository_url: harness.repository, agent_type });
    const events = await wharf.turn(task, `demo: run ${eat}\ndemo: say alive`);
    expect(spoken(events)).toContain("alive");
    expect(events.flatMap(({ data }) => (data.kind === "notice" ? [data.message] : []))).toContain(
      "The runner reached its memory limit of 256 MiB during this turn: the kernel killed a process in it.",
    );
  });

  // K-073
  test("exits in the middle of its turn leaves what it did and said", async () => {
    const events = await harness.expectFailure({
      prompt: "demo: say before\ndemo: stderr my last words\ndemo: exit 7",
      code: "agent_exited",
      message: /exited during its turn \(exit code 7\)/,
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
    await harness.expectFailure({
      prompt: "demo: fail I want a login",
      code: "agent_refused",
      message: /I want a login/,
      next: /interactive login is not possible/,
    });
  });

  test("floods updates loses none of them", async () => {
    const task = await wharf.createTask({ repository_url: harness.repository });
    await wharf.prompt(task, "demo: flood 50000");
    await harness.bystander.works();
    expect(await settled(wharf, task)).toMatchObject({ state: "REVIEW" });
    expect(spoken(await wholeLog(wharf, task))).toBe(
      Array.from({ length: 50_000 }, (_, i) => `flood ${i + 1}\n`).join(""),
    );
  });

  test("asks to write or read outside the workspace, or through a symlink, gets an error and goes on", async () => {
    const task = await wharf.createTask({ repository_url: harness.repository });
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
        next: "Use a path inside the workspace. Links that lead out of it are not followed.",
      })),
    );
    expect(spoken(events).match(/(write|read) failed: '.*' is outside the workspace/g)).toHaveLength(
      attempts.length * 2,
    );
    expect(spoken(events)).not.toContain("stolen");
    expect(spoken(events)).toMatch(/done\n$/);
    expect(readFileSync("/etc/passwd", "utf8")).not.toContain("stolen");
    await harness.bystander.works();
  });
});

test("an agent that prints 100 MB is heard to the end, in bounded memory", { timeout: 60_000 }, async () => {
  const task = await wharf.createTask({ repository_url: harness.repository });
  await wharf.prompt(task, "demo: print-bytes 104857600\ndemo: say done");
  await harness.bystander.works();
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
