import { join } from "node:path";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";
import { TestClient } from "../test/acp-client.ts";
import { agentFor, fullTurn, key, start } from "../test/agent.ts";
import { TestFolders } from "../test/workspace.ts";
import { sampleFiles } from "./demo/sample.ts";

/** Builds a single file, like the kit in a runner has. */
async function bundle(input: string, folder: string): Promise<string> {
  const build = await rolldown({
    input: join(import.meta.dirname, input),
    platform: "node",
    logLevel: "warn",
    resolve: { conditionNames: ["node", "import", "default"] },
  });
  const file = join(folder, "program.mjs");
  await build.write({ file, format: "esm", codeSplitting: false, minify: { compress: true, mangle: false } });
  await build.close();
  return file;
}

test("the agent works as a single file without its packages", async () => {
  using folders = new TestFolders();
  const program = await bundle("main.ts", folders.outside);
  await using model = await start.gemini({ key, script: fullTurn });
  await using agent = await agentFor("gemini", { model, folders }, { program }).open();
  expect((await agent.prompt("Write a greeting.")).stopReason).toBe("end_turn");
  expect(agent.said).toContain("says hello");
});

test("the demo agent works as a single file without its packages", async () => {
  using folders = new TestFolders(sampleFiles);
  const program = await bundle("demo/main.ts", folders.outside);
  await using agent = await new TestClient({
    program,
    cwd: folders.cwd,
    home: folders.home,
    permit: () => "allow_once",
  }).open();
  await agent.prompt("Fix it.");
  expect(agent.said).toContain("After: 5 passed, 0 failed.");
});
