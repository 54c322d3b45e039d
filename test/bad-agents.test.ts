import { readFileSync } from "node:fs";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FailureHarness } from "./support/failure-harness.ts";
import { getFailures, waitUntilSettled, readWholeLog } from "./support/log.ts";
import { getPeakMemory } from "./support/processes.ts";
import { getAgentText, type ServerHarness } from "./support/server-harness.ts";

/**
 * Bad agents cause a clear error and no loss: the log keeps its events, and other tasks work as
 * before.
 */
let harness: FailureHarness;
let wharf: ServerHarness;

beforeAll(async () => {
  harness = await FailureHarness.start();
  wharf = harness.wharf;
});
afterAll(() => harness?.[Symbol.asyncDispose]());

/** Needs 400 MiB of memory. */
const eat = `perl -e '$x = "x" x (400 * 2 ** 20)'`;

describe.concurrent("an agent that", () => {
  test("never answers a prompt is stopped with its process", async () => {
    const events = await harness.expectFailure({
      prompt: "demo: say before\ndemo: hang deaf",
      code: "agent_timeout",
      message: /did not answer the prompt within 4 s/,
      next: /log/,
    });
    expect(getAgentText(events)).toBe("before\n");
    expect(events.some(({ data }) => data.kind === "agent_exit" && data.signal === "SIGKILL")).toBe(true);
  });

  test("never answers at its start is stopped", async () => {
    const agent_type = await harness.createAgentType("mute", ["sh", "-c", "cat > /dev/null"]);
    await harness.expectFailure({
      fields: { agent_type },
      code: "agent_timeout",
      message: /did not answer initialize within 4 s/,
      next: /choose another agent/,
    });
  });

  test("prints only garbage is stopped, and the garbage is in the log", async () => {
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

  test("is not installed is refused before a run starts", async () => {
    const agent_type = await harness.createAgentType("not-there", ["no-such-program"]);
    const task = await wharf.createTask({ repository_url: harness.repository, agent_type });
    const before = await readWholeLog(wharf, task);
    await expect(wharf.prompt(task, "x")).rejects.toMatchObject({
      code: "agent_type_unavailable",
      message: expect.stringContaining("'no-such-program' is not on the PATH"),
      next: expect.stringContaining("wharf doctor"),
    });
    expect(await readWholeLog(wharf, task)).toEqual(before);
    expect(await wharf.task(task.id)).toMatchObject({ state: "TODO" });
    await harness.bystander.works();
  });

  test("never asks for permission is refused under a policy that requires questions, before the task exists", async () => {
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

  test("lacks the chosen mode or model fails with the list that it offers and gets no prompt", async () => {
    // The agent offers modes, but no models.
    for (const [choice, reason] of [
      [{ agent_mode: "chaos" }, "The agent has no mode 'chaos'; it offers"],
      [{ agent_model: "huge" }, "The agent does not let you choose a model, so it has no model 'huge'."],
    ] as const) {
      const task = await wharf.createTask({ repository_url: harness.repository, ...choice });
      await wharf.prompt(task, "say never said");
      const events = await wharf.until(task.id, ({ data }) => data.kind === "state" && data.to === "FAILED");
      const failure = events.find(({ data }) => data.kind === "failure")?.data;
      expect(failure).toMatchObject({ code: "choice_unavailable", next: expect.stringContaining("--default") });
      expect(JSON.stringify(failure)).toContain(reason);
      expect(getAgentText(events)).toBe("");
    }
    await harness.bystander.works();
  });

  test("does not start leaves its last output in the error", async () => {
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

  test("prints garbage among its messages completes its turn", async () => {
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
    expect(await waitUntilSettled(wharf, task)).toMatchObject({ state: "REVIEW" });
    const events = await readWholeLog(wharf, task);
    expect(getAgentText(events)).toBe("wrote a.txt\ndone\n");
    expect(events.flatMap(({ data }) => (data.kind === "output" ? [data.text] : [])).join("\n")).toContain(
      '{"jsonrpc": "2.0", broken',
    );
  });

  test("prints lines that are not JSON under json-lines ends with its exit code and keeps its output", async () => {
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
  test("is killed at the memory limit, or whose child is, fails with that reason and works with more memory", async ({
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
    expect(await waitUntilSettled(wharf, task)).toMatchObject({ state: "FAILED" });
    expect(getFailures(await readWholeLog(wharf, task)).at(-1)).toMatchObject({
      code: "agent_out_of_memory",
      message: expect.stringContaining("(exit code 1) because the runner reached its memory limit of 256 MiB"),
    });
    await withMemory("hungry", "1");
    expect(getAgentText(await wharf.turn(task, "eat"))).toBe("fed\n");
  });

  test("loses a command to the memory limit continues, and the task's log has a notice", async ({ skip }) => {
    const { limits } = await wharf.client.call(api.serverInfo, {});
    skip(!limits?.split("not limited")[0]?.includes("memory"), limits);
    const agent_type = await harness.createAgentType("frugal", ["wharf-demo-agent"]);
    await wharf.cli("agent-types", "set", agent_type, "--memory", "0.25");
    const task = await wharf.createTask({ repository_url: harness.repository, agent_type });
    const events = await wharf.turn(task, `demo: run ${eat}\ndemo: say alive`);
    expect(getAgentText(events)).toContain("alive");
    expect(events.flatMap(({ data }) => (data.kind === "notice" ? [data.message] : []))).toContain(
      "The runner reached its memory limit of 256 MiB during this turn: the kernel killed a process in it.",
    );
  });

  // K-073
  test("exits in the middle of its turn leaves its work and its messages", async () => {
    const events = await harness.expectFailure({
      prompt: "demo: say before\ndemo: stderr my last words\ndemo: exit 7",
      code: "agent_exited",
      message: /exited during its turn \(exit code 7\)/,
      next: /Prompt the task again/,
    });
    expect(getAgentText(events)).toBe("before\n");
    expect(
      events.some(
        ({ data }) => data.kind === "agent_exit" && data.exit_code === 7 && data.message.includes("my last words"),
      ),
    ).toBe(true);
  });

  test("refuses a prompt reports its reason", async () => {
    await harness.expectFailure({
      prompt: "demo: fail I want a login",
      code: "agent_refused",
      message: /I want a login/,
      next: /interactive login is not possible/,
    });
  });

  test("floods the log with updates loses none of them", async () => {
    const task = await wharf.createTask({ repository_url: harness.repository });
    await wharf.prompt(task, "demo: flood 50000");
    await harness.bystander.works();
    expect(await waitUntilSettled(wharf, task)).toMatchObject({ state: "REVIEW" });
    expect(getAgentText(await readWholeLog(wharf, task))).toBe(
      Array.from({ length: 50_000 }, (_, i) => `flood ${i + 1}\n`).join(""),
    );
  });

  test("reads or writes outside the workspace, or through a symlink, gets an error and continues", async () => {
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
    expect(await waitUntilSettled(wharf, task)).toMatchObject({ state: "REVIEW" });
    const events = await readWholeLog(wharf, task);
    const refused = getFailures(events).map(({ code, next }) => ({ code, next }));
    expect(refused).toEqual(
      Array.from({ length: attempts.length * 2 }, () => ({
        code: "path_outside",
        next: "Use a path inside the workspace. Links that lead out of it are not followed.",
      })),
    );
    expect(getAgentText(events).match(/(write|read) failed: '.*' is outside the workspace/g)).toHaveLength(
      attempts.length * 2,
    );
    expect(getAgentText(events)).not.toContain("stolen");
    expect(getAgentText(events)).toMatch(/done\n$/);
    expect(readFileSync("/etc/passwd", "utf8")).not.toContain("stolen");
    await harness.bystander.works();
  });
});

test("an agent that prints 100 MB is read to the end in bounded memory", { timeout: 60_000 }, async () => {
  const task = await wharf.createTask({ repository_url: harness.repository });
  await wharf.prompt(task, "demo: print-bytes 104857600\ndemo: say done");
  await harness.bystander.works();
  expect(await waitUntilSettled(wharf, task, 60_000)).toMatchObject({ state: "REVIEW" });
  const { last_seq } = await wharf.client.call(api.listTaskEvents, {
    params: { task_id: task.id },
    query: { limit: 1 },
  });
  const { events } = await wharf.client.call(api.listTaskEvents, {
    params: { task_id: task.id },
    query: { after: last_seq - 10 },
  });
  expect(getAgentText(events)).toBe("done\n");
  expect(last_seq).toBeGreaterThan(10_000);
  expect(getPeakMemory(wharf.pid!)).toBeLessThan(700 * 2 ** 20);
});
