import { api } from "@wharf/contract";
import { expect } from "vitest";
import type { EmbeddedPostgres } from "../../packages/server/src/store/embedded/index.ts";
import { isPushed, getAgentText, type ServerHarness } from "./server-harness.ts";

/** The settings that join servers with separate data folders into one installation. */
export function createSharedSettings({ connection }: EmbeddedPostgres): Record<string, string> {
  const { host, user, database } = connection;
  return {
    WHARF_SECRET: "the same on both of the servers here",
    DATABASE_URL: `postgresql://${user}@/${database}?host=${encodeURIComponent(host)}`,
  };
}

/**
 * Checks that tasks prompted at either server become branches, and that either server reads files
 * and diffs of all runners.
 */
export async function expectSharedTasks(
  [a, b]: readonly [ServerHarness, ServerHarness],
  remote: string,
  count: number,
): Promise<void> {
  const tasks = await Promise.all(Array.from({ length: count }, () => a.createTask({ repository_url: remote })));
  await Promise.all(tasks.map((task, i) => (i % 2 ? a : b).prompt(task, "demo: say hello\ndemo: write x.txt x")));
  for (const task of tasks) {
    expect(getAgentText(await b.until(task.id, isPushed, 120_000))).toContain("hello");
    const { agents } = await a.client.call(api.listTaskAgents, { params: { task_id: task.id } });
    const runner = agents[0]?.runner_id ?? "";
    for (const server of [a, b]) {
      expect(await server.cli("runner", "exec", runner, "cat", "x.txt")).toMatchObject({ code: 0, stdout: "x" });
      expect((await server.cli("task", "diff", task.id)).stdout).toContain("x.txt");
    }
  }
  for (const { id } of tasks) await a.client.call(api.deleteTask, { params: { task_id: id } });
}
