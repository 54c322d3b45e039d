import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type CommandLineHarness, failed, parseOutput } from "../command-line-harness.ts";

/** Workspaces of tasks and of runners. */
export function testWorkspaces({ folder, getExitCode, interrupt, repository, run, server }: CommandLineHarness): void {
  test("of workspaces of tasks", async () => {
    const task = await server.createTask({ repository_url: repository });
    expect(await getExitCode("workspace ls", [task.id])).toEqual(failed);
    await server.turn(task, "demo: write made.txt by the agent");
    const id = task.id.slice(0, 8);
    const reads = ["ls", "tree", "status", "diff", "log", "branches", "jobs ls"].map((name) =>
      getExitCode(`workspace ${name}`, [id]),
    );
    expect(await Promise.all(reads)).toEqual(reads.map(() => 0));
    expect((await run("workspace cat", [id, "made.txt"])).out).toBe("by the agent");
    expect((await run("workspace find", [id, "mdtxt"])).out).toBe("made.txt\n");
    expect((await run("workspace grep", [id, "agent"])).out).toContain("made.txt:1:by the agent\n");
    expect((await run("workspace write", [id, "new/a.txt"], "one\ntwo\n")).code).toBe(0);
    expect(await getExitCode("workspace write", [id, "new/a.txt", "--new"])).toEqual(failed);
    expect((await run("workspace cat", [id, "new/a.txt", "--lines", "2"])).out).toBe("two\n");
    expect((await run("workspace cat", [id, "new/a.txt", "--lines", "x"])).code).toBe(2);
    const { etag } = parseOutput(await run("workspace cat", [id, "new/a.txt", "--json"]));
    const change = [id, "new/a.txt", "--old", "two", "--new", "2", "--if-match", etag];
    expect(await getExitCode("workspace replace", change)).toBe(0);
    expect(await getExitCode("workspace replace", change)).toEqual(failed);
    expect((await run("workspace diff", [id])).out).toContain("+2\n");
    expect(parseOutput(await run("workspace commit", [id, "-m", "Add a", "--json"]))).toMatchObject({
      commit: { message: "Add a" },
    });
    expect((await run("workspace log", [id, "--limit", "1"])).out).toContain("Add a");
    expect((await run("workspace show", [id, task.shadow_branch])).out).toContain("+one\n");
    expect((await run("workspace diff", [id, "--since-start", "--stat"])).out).toContain("made.txt");
    expect((await run("workspace diff", [id, "--turn", "1", "--path", "made.txt"])).out).toContain("+by the agent");
    expect((await run("task diff", [id, "--turn", "last", "--stat"])).out).toContain("made.txt");
    expect(await getExitCode("task diff", [id, "--turn", "2"])).toEqual(failed);
    expect(await getExitCode("workspace diff", [id, "--turn", "1", "--since-start"])).toEqual(failed);
    expect(parseOutput(await run("workspace push", [id, "--json"]))).toMatchObject({ branch: task.shadow_branch });
    expect((await run("workspace checkout", [id, "main"])).out).toContain(" main\n");
    expect(await getExitCode("workspace checkout", [id, task.shadow_branch])).toBe(0);
    expect(await getExitCode("workspace rm", [id, "new"])).toEqual(failed);
    expect(await getExitCode("workspace rm", [id, "new", "-r"])).toBe(0);
    expect(await getExitCode("workspace restore", [id])).toEqual(failed);
    expect((await run("workspace restore", [id, "--all"])).out).toContain("new/a.txt");
  });

  test("of workspaces of runners", async () => {
    const { id } = parseOutput(await run("runner create", ["--json"]));
    expect(await getExitCode("workspace mkdir", [id, "a/b"])).toBe(0);
    writeFileSync(join(folder, "home-file"), "from-home");
    expect(await getExitCode("workspace cp", [join(folder, "home-file"), `${id}:a/b`])).toBe(0);
    expect(await getExitCode("workspace cp", [`${id}:a/b/home-file`, `${id}:copy`])).toBe(0);
    expect(await getExitCode("workspace mv", [id, "copy", "moved"])).toBe(0);
    expect(await getExitCode("workspace cp", [`${id}:copy`, folder])).toEqual(failed);
    expect(await getExitCode("workspace cp", [`${id}:a`, join(folder, "down")])).toBe(0);
    expect(readFileSync(join(folder, "down/b/home-file"), "utf8")).toBe("from-home");
    expect(await run("workspace exec", [id, "cat moved; exit 42"])).toMatchObject({ code: 42, out: "from-home" });
    const started = await run("workspace jobs start", [id, "--stdin", "echo ready; cat; echo end >&2"]);
    const job = started.out.trim();
    expect(job).toMatch(/^[0-9a-f]{8}$/);
    expect(await getExitCode("workspace jobs input", [id, job, "typed"])).toBe(0);
    expect(await getExitCode("workspace jobs input", [id, job])).toEqual(failed);
    expect(await getExitCode("workspace jobs input", [id, job, "--end"])).toBe(0);
    const output = await run("workspace jobs output", [id, job, "--follow"]);
    expect(output).toMatchObject({ code: 0, out: "ready\ntyped\n", err: expect.stringContaining("end\n") });
    const sleeping = (await run("workspace jobs start", [id, "sleep", "60"])).out.trim();
    expect(await getExitCode("workspace jobs kill", [id, sleeping, "-s", "SIGKILL"])).toBe(0);
    expect(await getExitCode("workspace jobs rm", [id, job])).toBe(0);
    expect(await getExitCode("workspace jobs output", [id, job])).toEqual(failed);
    expect((await run("workspace jobs ls", [id])).out).toContain("sleep 60");
    expect(await getExitCode("workspace ls", ["ffffffff"])).toEqual(failed);
    expect((await run("workspace attach", [id, "exit 7"])).code).toBe(7);
    const listed = parseOutput(await run("workspace terminals ls", [id, "--json"]));
    const terminal = listed.terminals[0].terminal_id;
    expect((await run("workspace terminals ls", [id])).out).toContain(terminal);
    expect(await getExitCode("workspace terminals rename", [id, terminal.slice(0, 8), "my shell"])).toBe(0);
    expect((await run("workspace terminals ls", [id])).out).toContain("my shell");
    expect((await run("workspace terminals stats", [id, "my shell"])).out).toContain("of 50.0 MB");
    expect(parseOutput(await run("workspace terminals clear", [id, "--json"]))).toMatchObject({
      terminal_id: "console",
    });
    expect(await getExitCode("workspace terminals close", [id, terminal])).toBe(0);
    expect(parseOutput(await run("workspace ports", [id, "--json"]))).toMatchObject({ ports: expect.any(Array) });
    expect(await run("workspace preview", [id, "3000"])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^http:\/\/p-[0-9a-v]{55}\.localhost:\d+\/\n$/),
    });
    expect(await getExitCode("workspace preview", [id, "many"])).toEqual(failed);
    expect(await getExitCode("workspace terminals close", [id, terminal])).toEqual(failed);
    expect(await getExitCode("runner rm", [id])).toBe(0);
  });

  test("of a workspace that is watched", async () => {
    const { id } = parseOutput(await run("runner create", ["--json"]));
    const writing = setInterval(() => void run("workspace write", [id, `w-${Date.now()}`], "x"), 2_000);
    const watched = { code: 130, out: expect.stringMatching(/^created +w-\d+/m) };
    expect(await interrupt("workspace watch", [id])).toEqual(watched);
    expect((await interrupt("watch", ["--after", "0"])).code).toBe(130);
    clearInterval(writing);
    expect(await getExitCode("runner rm", [id])).toBe(0);
  });
}
