import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { getAgentText } from "../../server-harness.ts";
import { type CommandLineHarness, failed, parseOutput } from "../command-line-harness.ts";

/** Running tasks, reading them and changing them. */
export function testTasks({ folder, getExitCode, repository, run, server }: CommandLineHarness): void {
  let task: string;

  test("of runs: done 0, the agent failed 1, Wharf failed 2", async () => {
    const demo = ["--repo", repository, "--agent", "demo", "--json"];
    const [ran, crashed, nowhere] = await Promise.all([
      run("run", ["-", ...demo], "demo: write a.txt ä 🙂"),
      run("run", ["demo: crash", ...demo]),
      run("run", ["x", "--repo", join(folder, "nowhere"), "--agent", "demo"]),
    ]);
    expect([ran.code, crashed.code, nowhere.code]).toEqual([0, 1, 2]);
    expect(parseOutput(crashed).exit_code).toBe(1);
    task = parseOutput(ran).task_id;
    expect((await server.task(task)).description).toBe("demo: write a.txt ä 🙂");
    writeFileSync(join(folder, "prompt.md"), "demo: say from a file");
    expect(await getExitCode("task prompt", [task, "--file", join(folder, "prompt.md"), "--follow"])).toBe(0);
    expect(getAgentText(await server.events(task))).toContain("from a file");
  });

  test("of commands that read tasks", async () => {
    const reads = ["show", "logs", "diff", "answer", "mode", "model"].map((name) =>
      getExitCode(`task ${name}`, [task]),
    );
    const missing = getExitCode("task show", [crypto.randomUUID()]);
    const [ids] = await Promise.all([run("completion ids", ["task"]), getExitCode("task ls")]);
    expect(ids).toMatchObject({ code: 0, out: expect.stringContaining(`${task.slice(0, 8)}\n`) });
    expect([await Promise.all(reads), await missing]).toEqual([reads.map(() => 0), failed]);
  });

  test("of the allow-lists", async () => {
    expect(await getExitCode("allow")).toBe(0);
    expect(await getExitCode("allow", ["npm", "files.example", "--task", task])).toBe(0);
    expect((await run("allow", ["--task", task])).out).toContain("files.example");
    expect(await getExitCode("allow", ["files.example", "--task", task, "--remove"])).toBe(0);
    expect(await getExitCode("allow", ["files.example", "--task", task, "--remove"])).toEqual(failed);
    expect(await getExitCode("allow", ["127.0.0.1"])).toEqual(failed);
  });

  test("of commands that change tasks", async () => {
    const created = await run(
      "task create",
      ["later", "--description", "-", "--repo", repository, "--tier", "medium", "--json"],
      "read in",
    );
    expect(parseOutput(created)).toMatchObject({ title: "later", description: "read in", tier: "medium" });
    const later: string = parseOutput(created).id;
    const refused = ["pause", "resume", "cancel-turn", "push"].map((name) => getExitCode(`task ${name}`, [task]));
    expect(await Promise.all(refused)).toEqual(refused.map(() => failed));
    expect(await Promise.all([getExitCode("task stop", [task]), getExitCode("task cancel", [later])])).toEqual([0, 0]);
    expect(await getExitCode("task accept", [task])).toBe(0);
    expect(parseOutput(await run("task edit", [later, "--title", "sooner", "--json"]))).toMatchObject({
      title: "sooner",
    });
    expect(await getExitCode("task edit", [later, "--priority", "3", "--if-version", "1"])).toEqual(failed);
    expect(parseOutput(await run("task show", [later, "--json"])).task).toMatchObject({ priority: 0 });
    expect(await getExitCode("task rm", [later])).toBe(0);
    expect(await getExitCode("task rm", [later])).toEqual(failed);
  });

  test("of the runs of a task, and of its log by level and time", async () => {
    const created = await server.createTask({ repository_url: repository });
    await server.turn(created, "demo: write a.txt a");
    const { agents } = parseOutput(await run("agent ls", ["--limit", "1", "--json"]));
    expect(agents).toMatchObject([{ task_id: created.id }]);
    const [{ id }] = agents;
    expect((await run("agent show", [id])).out).toContain(created.id);
    expect((await run("agent logs", [id])).out).toContain("info  turn started");
    expect((await run("task logs", [created.id, "--level", "info"])).out).toContain("task: IN_PROGRESS → REVIEW");
    expect((await run("task logs", [created.id, "--since", "2100-01-01"])).out).toBe("");
    expect((await run("task logs", [created.id, "--until", "2020-01-01"])).out).toBe("");
    const turnLines = (await run("task logs", [created.id, "--kind", "turn", "--run", id])).out;
    expect(turnLines).not.toBe("");
    expect(turnLines).not.toContain("IN_PROGRESS");
    expect(await getExitCode("agent stop", [id, "--force"])).toBe(0);
    await server.until(created.id, ({ data }) => data.kind === "state" && data.to === "STOPPED");
  });

  test("of tasks that wait for others", async () => {
    const [first, next] = [
      await server.createTask({ repository_url: repository }),
      await server.createTask({ repository_url: repository, description: "demo: say next" }),
    ];
    expect((await run("task depend", [next.id])).err).toContain("waits for no other task");
    expect(await getExitCode("task depend", [next.id, "--on", first.id])).toBe(0);
    expect(await getExitCode("task depend", [first.id, "--on", next.id])).toEqual(failed);
    expect((await run("task start", [next.id])).out).toContain(
      `waits for the task ${first.id.slice(0, 8)} (not started)`,
    );
    expect((await run("task ls")).out).toContain(`IN_PROGRESS (waits for ${first.id.slice(0, 8)})`);
    expect((await run("task show", [next.id])).out).toContain(`${first.id.slice(0, 8)} (TODO)`);
    expect(await getExitCode("task depend", [next.id, "--remove", first.id])).toBe(0);
    await server.until(next.id, (event) => getAgentText([event]).includes("next"));
  });

  test("of a turn that is paused, resumed and cancelled", async () => {
    const task = await server.createTask({ repository_url: repository });
    const turn = await server.prompt(task, "demo: say begun\ndemo: hang");
    await server.until(task.id, (event) => getAgentText([event]).includes("begun"));
    expect(await getExitCode("task pause", [task.id])).toBe(0);
    expect(await getExitCode("task resume", [task.id])).toBe(0);
    expect(await getExitCode("task cancel-turn", [task.id])).toBe(0);
    await server.until(
      task.id,
      ({ data }) => data.kind === "turn" && data.turn_id === turn.id && data.status !== "started",
    );
  });
}
