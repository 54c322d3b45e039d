import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startGemini } from "../../../../test/support/models/index.ts";
import { TestClient, type TestClientOptions } from "../../test/acp-client.ts";
import { TestFolders } from "../../test/workspace.ts";
import { sampleFiles } from "./sample.ts";
import { parseTestReport } from "./test-report.ts";

const program = join(import.meta.dirname, "main.ts");

const demo = (folders: TestFolders, options: Partial<TestClientOptions> = {}): TestClient =>
  new TestClient({ program, cwd: folders.cwd, home: folders.home, permit: () => "allow_once", ...options });

/** Runs the sample's own tests outside of the agent. */
function sampleTests(cwd: string): ReturnType<typeof parseTestReport> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  try {
    return parseTestReport(
      execFileSync(process.execPath, ["--test", "--test-reporter=tap"], { cwd, env, encoding: "utf8" }),
    );
  } catch (error) {
    return parseTestReport(String((error as { stdout?: unknown }).stdout));
  }
}

describe("on the sample repository", () => {
  test("it finds the failing test, asks, fixes the bug and sees the tests pass", async () => {
    using folders = new TestFolders(sampleFiles);
    expect(sampleTests(folders.cwd)).toMatchObject({ passed: 4, failed: 1 });
    await using agent = await demo(folders).open();
    expect((await agent.prompt("Make the tests pass.")).stopReason).toBe("end_turn");
    expect(sampleTests(folders.cwd)).toEqual({ passed: 5, failed: 0, failures: [] });
    expect(agent.said).toMatch(/^I am Wharf's demo agent: a script, not a model\./);
    expect(agent.said).toContain('"reads milliseconds" fails: Expected values to be strictly equal: 15000000 !== 250');
    expect(agent.said).toContain("Before: 4 passed, 1 failed. After: 5 passed, 0 failed.");
    expect(agent.asked.map(({ toolCall }) => toolCall.title)).toEqual(["Edit src/duration.js"]);
    expect(agent.written).toEqual([join(folders.cwd, "src/duration.js")]);
    expect(agent.calls.map(({ title, status }) => `${title}: ${status}`)).toEqual([
      "List .: completed",
      "Read src/duration.js: completed",
      "Read test/duration.test.js: completed",
      "node --test --test-reporter=tap: failed",
      "Edit src/duration.js: completed",
      "node --test --test-reporter=tap: completed",
    ]);
    const plans = agent.updates.flatMap((update) =>
      update.sessionUpdate === "plan" ? [update.entries.map(({ status }) => status[0]).join("")] : [],
    );
    expect(plans).toEqual(["ippp", "cipp", "ccip", "ccci", "cccc"]);
  });

  test("a rejected edit is not made, and the agent reports that", async () => {
    using folders = new TestFolders(sampleFiles);
    await using agent = await demo(folders, { permit: () => "reject" }).open();
    await agent.prompt("Make the tests pass.");
    expect(readFileSync(join(folders.cwd, "src/duration.js"), "utf8")).toBe(sampleFiles["src/duration.js"]);
    expect(agent.said).toContain("The edit failed");
  });

  test("later turns remember the earlier ones, also in a new process, and continue the work", async () => {
    using folders = new TestFolders(sampleFiles);
    await using first = await demo(folders).open();
    await first.prompt("Make the tests pass.");
    await first.kill();
    await using second = await demo(folders).load(first.sessionId);
    expect(second.said).toBe(first.said);
    const replayed = second.said.length;
    await second.prompt("Keep it from coming back.");
    expect(second.said.slice(replayed)).toMatch(/you asked "Make the tests pass\.", and I fixed src\/duration\.js/);
    expect(sampleTests(folders.cwd)).toMatchObject({ passed: 6, failed: 0 });
    await second.prompt("And the changelog.");
    expect(readFileSync(join(folders.cwd, "CHANGELOG.md"), "utf8")).toContain("250ms");
    await second.prompt("More.");
    expect(second.said).toContain("My script is complete");
  });
});

test("in any other repository it counts the files, writes the result and claims nothing else", async () => {
  using folders = new TestFolders({
    "README.md": "# Other\n",
    "a.py": "print(1)\nprint(2)\n",
    "lib/b.go": "package b\n",
  });
  await using agent = await demo(folders).open();
  await agent.prompt("Rewrite it in Rust.");
  const page = readFileSync(join(folders.cwd, "WHARF-DEMO.md"), "utf8");
  for (const part of [
    "a script, not a model",
    'The README calls it "Other"',
    "| Python | 1 | 2 |",
    "| Go | 1 | 1 |",
    "- Rewrite it in Rust.",
  ])
    expect(page).toContain(part);
  expect(agent.said).toContain("mostly Python, 2 lines");
  await agent.prompt("Please.");
  expect(readFileSync(join(folders.cwd, "WHARF-DEMO.md"), "utf8")).toContain("- Rewrite it in Rust.\n- Please.");
});

describe("directives", () => {
  test("run in order, and nothing else runs", async () => {
    using folders = new TestFolders();
    await using agent = await demo(folders).open();
    const { stopReason } = await agent.prompt(
      [
        "A title, then lines:",
        "demo: say one",
        "demo: plan a | b",
        "  demo: write x/y.txt first\\nsecond",
        "demo: read x/y.txt",
        "demo: run echo out; exit 7",
        "demo: ask edit Change it",
        "demo: sleep 10ms",
        "demo: flood 3",
        "demo: recall",
      ].join("\n"),
    );
    expect(stopReason).toBe("end_turn");
    expect(agent.said).toBe(
      "one\nwrote x/y.txt\nfirst\nsecond\nexit code: 7\nanswer: allowed\nflood 1\nflood 2\nflood 3\nrecall: nothing\n",
    );
    expect(readFileSync(join(folders.cwd, "x/y.txt"), "utf8")).toBe("first\nsecond");
    expect(agent.asked[0]?.toolCall).toMatchObject({ title: "Change it", kind: "edit" });
    expect(agent.calls.find(({ title }) => title === "echo out; exit 7")?.output).toContain("out\n");
    expect((await agent.prompt("demo: stop max_tokens\ndemo: say never")).stopReason).toBe("max_tokens");
    await expect(agent.prompt("demo: fail no login")).rejects.toThrow("The agent refused the request: no login");
    await expect(agent.prompt("demo: unknown")).rejects.toThrow("There is no directive");
    expect(agent.said).not.toContain("never");
  });

  test("hang and sleep end when the turn is cancelled", async () => {
    using folders = new TestFolders();
    await using agent = await demo(folders).open();
    for (const directive of ["demo: hang", "demo: sleep 100s", "demo: run sleep 100"]) {
      const turn = agent.prompt(`demo: say ${directive}\n${directive}`);
      await agent.waitFor(() => agent.said.includes(directive), directive);
      await agent.cancel();
      expect((await turn).stopReason).toBe("cancelled");
    }
  });

  test("exit ends the process, and output that is not protocol does no harm", async () => {
    using folders = new TestFolders();
    await using agent = await demo(folders).open();
    await agent.prompt(
      "demo: print this is no protocol\ndemo: print-bytes 100000\ndemo: stderr to be seen\ndemo: say still here",
    );
    expect(agent.said).toBe("still here\n");
    await agent.waitFor(() => agent.stderr.includes("to be seen"), "the line on standard error");
    const turn = agent.prompt("demo: exit 3").catch(() => "gone");
    expect(await agent.exited).toBe(3);
    expect(await turn).toBe("gone");
  });

  test("model asks the gateway's model and detects a cut answer", async () => {
    using folders = new TestFolders();
    const token = "the-token-of-the-run";
    const text = "an answer of several pieces";
    await using model = await startGemini({
      key: token,
      script: [{ thought: "hm", text }, { text, cut: true }, { text, cut: "clean" }, { status: 503 }],
    });
    const { createServer, request } = await import("node:http");
    const gateway = createServer((incoming, response) => {
      const onwards = request(
        `${model.url}${incoming.url?.replace(/^\/models\/gemini/, "")}`,
        {
          method: "POST",
          headers: { "content-type": "application/json", "x-goog-api-key": String(incoming.headers["x-goog-api-key"]) },
        },
        (answer) => {
          response.writeHead(answer.statusCode ?? 500);
          answer.on("error", () => response.destroy()).pipe(response);
        },
      );
      onwards.on("error", () => response.destroy());
      incoming.pipe(onwards);
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => gateway.once("listening", resolve));
    const address = gateway.address();
    const environment = {
      WHARF_GATEWAY: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
      WHARF_TOKEN: token,
    };
    await using agent = await demo(folders, { environment }).open();
    await agent.prompt("demo: model one\ndemo: model two\ndemo: model three\ndemo: model four");
    gateway.closeAllConnections();
    gateway.close();
    const [whole, reset, clean, refused] = agent.said.split("\n");
    expect(whole).toBe(`model answered: ${text}`);
    expect(reset).toMatch(/^model failed: /);
    expect(clean).toMatch(/^model failed: cut after \d+ characters/);
    expect(refused).toMatch(/^model failed: 503/);
  });
});

test("a path outside the workspace reaches the client unchanged, so that the client can refuse it", async () => {
  using folders = new TestFolders();
  await using agent = await demo(folders).open();
  await agent.prompt("demo: write ../outside/z.txt z");
  expect(agent.written).toEqual([join(folders.outside, "z.txt")]);
  expect(existsSync(join(folders.outside, "z.txt"))).toBe(true);
});
