import { expect, test } from "vitest";
import { eventually } from "../../eventually.ts";
import { type CommandLineHarness, failed, parseOutput } from "../command-line-harness.ts";

/** What people do with tasks besides running them. */
export function testTaskRecords({ getExitCode, repository, run, server }: CommandLineHarness): void {
  test("of the archive of tasks", async () => {
    const { id, title } = await server.createTask({ repository_url: repository, title: "put away" });
    const isListed = async (...words: string[]) => (await run("task ls", words)).out.includes(title);
    expect([await isListed(), await isListed("--archived")]).toEqual([true, false]);
    expect(await getExitCode("task archive", [id])).toBe(0);
    expect([await isListed(), await isListed("--archived")]).toEqual([false, true]);
    expect(await run("task prompt", [id])).toMatchObject({ code: 2, err: expect.stringContaining("task restore") });
    expect(await getExitCode("task restore", [id])).toBe(0);
    expect([await isListed(), await isListed("--archived")]).toEqual([true, false]);
    expect(await run("task ls", ["--archived"])).toMatchObject({ code: 0, err: "There are no archived tasks.\n" });
    expect(await getExitCode("task rm", [id])).toBe(0);
  });

  test("of comments on tasks, which a prompt sends", async () => {
    const { id } = await server.createTask({ repository_url: repository });
    const printed = await run("task comment", [id, "demo: say from a comment"]);
    const line = await run("task comment", [id, "-", "--file", "a.txt", "--line", "3", "--json"], "really\u001b[2J");
    const [commentId, lineId]: string[] = [printed.out.trim(), parseOutput(line).id];
    expect(await getExitCode("task edit-comment", [id, lineId!, "demo: write b.txt here"])).toBe(0);
    const listed = await run("task comments", [id, "--open"]);
    expect(listed.out).toMatch(/owner .*a\.txt:3.*changed\n {2}demo: write b\.txt here\n/);
    expect(await getExitCode("task delete-comment", [id, commentId!])).toBe(0);
    expect(await getExitCode("task delete-comment", [id, commentId!])).toEqual(failed);
    expect(await getExitCode("task prompt", [id, "--comments", "--follow"])).toBe(0);
    expect((await run("task comments", [id])).out).toContain("sent to the agent");
    expect((await run("task comments", [id, "--open"])).err).toBe("There are no open comments.\n");
    expect(await run("task prompt", [id, "--comments"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("no open comments"),
    });
    expect((await run("task logs", [id])).out).toContain("owner commented on a.txt:3");
    expect((await run("task show", [id])).out).toContain("Comment of owner on a.txt, line 3");
  });

  test("of the search over tasks and logs", async () => {
    const task = await server.createTask({ repository_url: repository, title: "count the otters" });
    await server.turn(task, "demo: say three otters swim");
    const search = (...words: string[]) => run("search", words);
    await eventually(
      async () => (await search("otters", "swim", "--kind", "log")).out.includes("three otters swim"),
      true,
    );
    await eventually(
      async () =>
        (await search('"the otters"', "--state", "REVIEW", "--kind", "task")).out.includes("count the otters"),
      true,
    );
    const [found] = parseOutput(await search('"three otters swim"', "--kind", "log", "--json")).results;
    expect(found).toMatchObject({ task_id: task.id, seq: expect.any(Number), kind: "log" });
    expect(await search("otters", "--until", "2020-01-01")).toMatchObject({ code: 0, out: "" });
    expect(await search("--", "-otters")).toMatchObject({ code: 2, err: expect.stringContaining("names no word") });
    expect(await getExitCode("task rm", [task.id])).toBe(0);
    expect((await search("otters")).out).toBe("");
  });

  test("of the branches of a repository", async () => {
    expect(await run("branches", [repository])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^main \(default\)\n/),
    });
    expect(parseOutput(await run("branches", [repository, "--limit", "1", "--json"]))).toMatchObject({
      default_branch: "main",
      branches: ["main"],
    });
    expect(await run("branches", [repository, "--text", "absent"])).toMatchObject({ code: 0, out: "" });
    expect(await getExitCode("branches", ["/not/a/repository"])).toEqual(failed);
  });

  test("of tasks that are assigned to people", async () => {
    const { id, title } = await server.createTask({ repository_url: repository, title: "for somebody" });
    expect(await getExitCode("task assign", [id, "me"])).toBe(0);
    const isListed = async (assignee: string) => (await run("task ls", ["--assignee", assignee])).out.includes(title);
    expect([await isListed("me"), await isListed("owner"), await isListed("none")]).toEqual([true, true, false]);
    expect(await getExitCode("task assign", [id, "none"])).toBe(0);
    expect([await isListed("me"), await isListed("none")]).toEqual([false, true]);
    expect(await getExitCode("task assign", [id, "stranger"])).toEqual(failed);
  });

  test("of templates, and of a run that uses one", async () => {
    const words = [
      "greet",
      "demo: say hello {{name}}",
      "--repo",
      repository,
      "--agent",
      "demo",
      "--policy",
      "allow-all",
      "--budget",
      "2.5",
    ];
    expect(await getExitCode("template set", words)).toBe(0);
    expect((await run("template ls")).out).toMatch(/^greet .* name .* demo: say hello/m);
    expect((await run("template show", ["greet"])).out).toMatch(
      /2\.5 USD for each task[^]* {2}demo: say hello \{\{name\}\}/,
    );
    const ran = await run("run", ["--template", "greet", "--set", "name=Ada", "--json"]);
    expect(ran.code).toBe(0);
    const task = await server.task(parseOutput(ran).task_id);
    expect(task).toMatchObject({ title: "demo: say hello Ada", agent_type: "demo", permission_policy: "allow-all" });
    const { budgets } = parseOutput(await run("budget", ["--for", task.id, "--json"]));
    expect(budgets).toMatchObject([{ scope: "task", task_id: task.id, amount_usd: 2.5, period: "total" }]);
    expect(await run("run", ["--template", "greet"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("--set name="),
    });
    expect(await getExitCode("run", ["--template", "greet", "--set", "names=Ada"])).toEqual(failed);
    expect(await getExitCode("run", ["--set", "name=Ada"])).toEqual(failed);
    expect(await getExitCode("run", ["x", "--template", "greet"])).toEqual(failed);
    expect(await getExitCode("template rm", ["greet"])).toBe(0);
    expect(await getExitCode("template rm", ["greet"])).toEqual(failed);
  });
}
