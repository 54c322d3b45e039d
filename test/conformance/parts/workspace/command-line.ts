import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { TaskWorkspace } from "./task-workspace.ts";

/** Tests `wharf workspace` as a person uses it. */
export function workspaceCommandLine(get: () => TaskWorkspace): void {
  describe("the command line", () => {
    test("copies folders in and out, and shows, searches and runs what is there", async () => {
      const { wharf, task } = get();
      const folder = mkdtempSync(join(tmpdir(), "wharf-copy-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      mkdirSync(join(folder, "report"));
      writeFileSync(join(folder, "report/a.txt"), "one\ntwo needle\n");
      const run = (...args: string[]) => wharf.cli("workspace", ...args);
      const copied = await run("cp", join(folder, "report"), `${task.id}:copied`);
      expect(copied).toMatchObject({ code: 0 });
      const [back, shown, found, ran, job] = await Promise.all([
        run("cp", `${task.id}:copied`, join(folder, "back")),
        run("cat", task.id, "copied/a.txt", "--lines", "2"),
        run("grep", task.id, "needle"),
        run("exec", task.id, "cat copied/a.txt; echo trouble >&2; exit 42"),
        run("jobs", "start", task.id, "echo one; echo two; exit 3"),
      ]);
      expect(back).toMatchObject({ code: 0 });
      expect(readFileSync(join(folder, "back/a.txt"), "utf8")).toBe("one\ntwo needle\n");
      expect(shown).toMatchObject({ code: 0, stdout: "two needle\n" });
      expect(found.stdout).toContain("copied/a.txt:2:two needle\n");
      expect(ran).toEqual({ code: 42, stdout: "one\ntwo needle\n", stderr: "trouble\n" });
      const output = await run("jobs", "output", task.id, job.stdout.trim(), "--follow", "--after", "4");
      expect(output).toMatchObject({ code: 0, stdout: "two\n" });
    });
  });
}
