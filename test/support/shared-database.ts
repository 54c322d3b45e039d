import { api, getEndpointUrl, runnerApi } from "@wharf/contract";
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
 * and diffs of all runners, also for a browser.
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
      expect(await runInBrowser(server, runner, "cat x.txt")).toMatchObject({ exit_code: 0, stdout: "x" });
    }
  }
  for (const { id } of tasks) await a.client.call(api.deleteTask, { params: { task_id: id } });
}

/** Logs a browser in at a server, and runs a command with it. */
async function runInBrowser({ client }: ServerHarness, runnerId: string, command: string): Promise<unknown> {
  const { url: origin } = await client.locate();
  const { path } = await client.call(api.createOwnLink, { body: { kind: "login" } });
  const login = await fetch(origin + path, { method: "POST", redirect: "manual", headers: { origin } });
  const cookie = login.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  const answer = await fetch(origin + getEndpointUrl(runnerApi.execRunnerOnce, { params: { runner_id: runnerId } }), {
    method: "POST",
    headers: { cookie, origin, "content-type": "application/json" },
    body: JSON.stringify({ command }),
  });
  return answer.json();
}
