import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAnthropic, startGemini, startOpenai, type Script } from "../../../../test/support/models/index.ts";
import { TestClient } from "../../test/acp-client.ts";
import { agentFor, failureOf, fullTurn, key } from "../../test/agent.ts";
import { TestFolders } from "../../test/workspace.ts";

const program = join(import.meta.dirname, "../main.ts");

test("a rejected call does not run, and the model learns of the rejection", async () => {
  using folders = new TestFolders();
  await using model = await startGemini({ key, script: [...fullTurn.slice(0, 1), { text: "Then I leave it." }] });
  await using agent = await agentFor("gemini", { model, folders }, { permit: () => "reject" }).open();
  expect((await agent.prompt("Write.")).stopReason).toBe("end_turn");
  expect(existsSync(join(folders.cwd, "hello.txt"))).toBe(false);
  expect(agent.asked[0]?.toolCall.locations).toEqual([{ path: join(folders.cwd, "hello.txt") }]);
  expect(agent.asked[0]?.toolCall.content).toMatchObject([{ type: "diff", newText: "hello\n" }]);
  expect(agent.calls).toMatchObject([{ status: "failed" }]);
  expect(model.requests[1]?.toolResults?.join()).toContain("refused");
});

test('an "always" answer applies to its session, also after a reload, and to nothing else', async () => {
  using folders = new TestFolders();
  const write = (path: string) => ({ toolCalls: [{ name: "write_file", args: { path, content: path } }] });
  const script: Script = [
    write("a"),
    write("b"),
    { text: "." },
    write("c"),
    { toolCalls: [{ name: "run_command", args: { command: "true" } }] },
    { text: "." },
  ];
  await using model = await startOpenai({ key, script });
  await using agent = await agentFor("openai", { model, folders }, { permit: () => "allow_always" }).open();
  await agent.prompt("Write two.");
  expect(agent.asked).toHaveLength(1);
  await agent.close();
  await using again = await agentFor("openai", { model, folders }).load(agent.sessionId);
  await again.prompt("Write one and run one.");
  expect(again.asked.map(({ toolCall }) => toolCall.kind)).toEqual(["execute"]);
});

test("the mode that allows edits asks only about commands", async () => {
  using folders = new TestFolders();
  await using model = await startGemini({ key, script: fullTurn });
  await using agent = await agentFor("gemini", { model, folders }).open();
  await agent.setMode("allow-edits");
  await agent.prompt("Go.");
  expect(agent.asked.map(({ toolCall }) => toolCall.kind)).toEqual(["execute"]);
});

test("cancelling ends a command with all its processes, and the next prompt works", async () => {
  using folders = new TestFolders();
  const command = "sleep 300 & echo $! > pid; echo started; wait";
  await using model = await startAnthropic({
    key,
    script: [{ text: "I wait.", toolCalls: [{ name: "run_command", args: { command } }] }, { text: "Good." }],
  });
  await using agent = await agentFor("anthropic", { model, folders }).open();
  const turn = agent.prompt("Wait.");
  await expect(agent.prompt("At the same time.")).rejects.toThrow("busy with another turn");
  await agent.waitFor(
    () => agent.calls.some(({ output }) => output.includes("started")),
    "the command's output while it runs",
  );
  await agent.cancel();
  expect((await turn).stopReason).toBe("cancelled");
  const pid = Number(readFileSync(join(folders.cwd, "pid"), "utf8"));
  await agent.waitFor(() => !existsSync(`/proc/${pid}`), "the end of the background process");
  expect(agent.calls).toMatchObject([{ status: "failed" }]);
  expect((await agent.prompt("Go on.")).stopReason).toBe("end_turn");
});

test("cancelling ends an open permission request and a streaming answer", async () => {
  using folders = new TestFolders();
  const script: Script = [
    { toolCalls: [{ name: "run_command", args: { command: "touch no" } }] },
    { text: "word ".repeat(500), pieceDelayMs: 20 },
    { text: "." },
  ];
  await using model = await startOpenai({ key, script });
  await using agent = await agentFor("openai", { model, folders }, { permit: () => undefined }).open();
  const asking = agent.prompt("Ask.");
  await agent.waitFor(() => agent.asked.length === 1, "the question");
  await agent.cancel();
  expect((await asking).stopReason).toBe("cancelled");
  expect(existsSync(join(folders.cwd, "no"))).toBe(false);
  const streaming = agent.prompt("Talk.");
  await agent.waitFor(() => agent.said.length > 30, "the beginning of the answer");
  await agent.cancel();
  expect((await streaming).stopReason).toBe("cancelled");
  expect((await agent.prompt("Go on.")).stopReason).toBe("end_turn");
  expect(JSON.stringify(model.requests.at(-1)?.body)).toContain("stopped here by the user");
});

test("the agent exits and leaves nothing running when the client disconnects during a command", async () => {
  using folders = new TestFolders();
  await using model = await startGemini({
    key,
    script: [{ toolCalls: [{ name: "run_command", args: { command: "echo $$ > pid; sleep 300" } }] }],
  });
  await using agent = await agentFor("gemini", { model, folders }).open();
  const turn = agent.prompt("Sleep.").catch(() => "gone");
  await agent.waitFor(
    () => existsSync(join(folders.cwd, "pid")) && readFileSync(join(folders.cwd, "pid"), "utf8").endsWith("\n"),
    "the command",
  );
  expect(await agent.close()).toBe(0);
  expect(await turn).toBe("gone");
  expect(existsSync(`/proc/${Number(readFileSync(join(folders.cwd, "pid"), "utf8"))}`)).toBe(false);
});

test("without file access through the client, the agent uses the disk, but only within its folder", async () => {
  using folders = new TestFolders({ "a.txt": "one\ntwo\n" });
  const script: Script = [
    {
      toolCalls: [
        { name: "edit_file", args: { path: "a.txt", search: "two", replace: "$& three" } },
        { name: "write_file", args: { path: "deep/er/b.txt", content: "b" } },
      ],
    },
    {
      toolCalls: [
        { name: "write_file", args: { path: "../outside/c.txt", content: "c" } },
        { name: "read_file", args: { path: "/etc/hostname" } },
        { name: "read_file", args: {} },
      ],
    },
    { text: "." },
  ];
  await using model = await startAnthropic({ key, script });
  await using agent = await agentFor("anthropic", { model, folders }, { capabilities: {} }).open();
  await agent.prompt("Edit.");
  expect(agent.written).toEqual([]);
  expect(readFileSync(join(folders.cwd, "a.txt"), "utf8")).toBe("one\n$& three\n");
  expect(readFileSync(join(folders.cwd, "deep/er/b.txt"), "utf8")).toBe("b");
  expect(existsSync(join(folders.outside, "c.txt"))).toBe(false);
  const results = model.requests[2]?.toolResults ?? [];
  expect(results).toMatchObject([
    expect.stringContaining("outside the workspace"),
    expect.stringContaining("outside the workspace"),
    expect.stringContaining("path"),
  ]);
});

test("a refusal of the gateway reaches the client as a problem document", async () => {
  using folders = new TestFolders();
  const refusal = JSON.stringify({
    type: "urn:wharf:error:model_route_missing",
    title: "model route missing",
    status: 403,
    detail: "The server has no key for the model route 'gemini'.",
    code: "model_route_missing",
    next: "Set GEMINI_API_KEY.",
  });
  const gateway = createServer(
    (_request, response) => void response.writeHead(403, { "content-type": "application/problem+json" }).end(refusal),
  ).listen(0, "127.0.0.1");
  await new Promise((resolve) => gateway.once("listening", resolve));
  const address = gateway.address();
  const environment = {
    WHARF_MODEL_PROVIDER: "gemini",
    WHARF_MODEL_BASE_URL: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    WHARF_TOKEN: key,
  };
  await using agent = await new TestClient({ program, cwd: folders.cwd, home: folders.home, environment }).open();
  const problem = await failureOf(agent.prompt("Go."));
  gateway.close();
  expect(problem.message).toBe("The server has no key for the model route 'gemini'.");
  expect(problem.data).toMatchObject({ code: "model_route_missing", next: "Set GEMINI_API_KEY." });
});

test("an answer that is cut repeatedly fails the turn with a next step", async () => {
  using folders = new TestFolders();
  await using model = await startGemini({ key, script: () => ({ cut: true }) });
  await using agent = await agentFor("gemini", { model, folders }).open();
  const problem = await failureOf(agent.prompt("Go."));
  expect(problem.data).toMatchObject({ code: "model_answer_cut" });
  expect(problem.data?.next).toContain("Prompt the task again");
  expect(model.requests).toHaveLength(3);
});

test("a missing setting, a missing folder and an unknown session are reported immediately", async () => {
  using folders = new TestFolders();
  await using unset = new TestClient({ program, cwd: folders.cwd, home: folders.home });
  expect((await failureOf(unset.open())).message).toContain("WHARF_MODEL_PROVIDER");
  await using model = await startGemini({ key, script: [] });
  await using agent = agentFor("gemini", { model, folders });
  await agent.initialized;
  expect((await failureOf(agent.load("../../etc/passwd"))).message).toContain("There is no session");
  expect((await failureOf(agent.load("6a1de5a6-2f0c-4a55-8f0e-0d5a8f1c2b3d"))).data).toMatchObject({
    code: "session_not_found",
  });
});

test("a model that never stops calling tools is stopped", async () => {
  using folders = new TestFolders();
  const entries = [{ content: "Go on", status: "in_progress" }];
  await using model = await startOpenai({
    key,
    script: () => ({ toolCalls: [{ name: "update_plan", args: { entries } }] }),
  });
  await using agent = await agentFor("openai", { model, folders }).open();
  expect((await agent.prompt("Go on for ever.")).stopReason).toBe("max_turn_requests");
  expect(model.requests).toHaveLength(100);
  expect(agent.updates).toContainEqual({
    sessionUpdate: "plan",
    entries: [{ content: "Go on", status: "in_progress", priority: "medium" }],
  });
});

test("an answer that ran out of tokens or was refused ends the turn with that reason, and its calls do not run", async () => {
  using folders = new TestFolders();
  const write = { name: "write_file", args: { path: "half.txt", content: "half" } };
  await using model = await startAnthropic({
    key,
    script: [{ text: "So", toolCalls: [write], finish: "length" }, { text: "No.", finish: "refusal" }, { text: "." }],
  });
  await using agent = await agentFor("anthropic", { model, folders }).open();
  expect((await agent.prompt("Go.")).stopReason).toBe("max_tokens");
  expect(existsSync(join(folders.cwd, "half.txt"))).toBe(false);
  expect((await agent.prompt("Go.")).stopReason).toBe("refusal");
  expect((await agent.prompt("Go.")).stopReason).toBe("end_turn");
});

test("the output of a command is bounded, and its environment lacks the run's token", async () => {
  using folders = new TestFolders();
  const script: Script = [
    {
      toolCalls: [
        {
          name: "run_command",
          args: { command: "echo first; yes | head -c 20000000; echo last; env | grep -c WHARF_TOKEN" },
        },
      ],
    },
    { text: "." },
  ];
  await using model = await startGemini({ key, script });
  await using agent = await agentFor("gemini", { model, folders }).open();
  await agent.prompt("Print.");
  const result = model.requests[1]?.toolResults?.join() ?? "";
  expect(result.length).toBeLessThan(50_000);
  expect(result).toMatch(/first\\ny.*characters omitted.*last\\n0\\n\[exit code 1\]/s);
});

test("a command that exceeds its time limit is stopped", async () => {
  using folders = new TestFolders();
  await using model = await startGemini({
    key,
    script: [
      { toolCalls: [{ name: "run_command", args: { command: "echo begun; sleep 100", timeout_s: 1 } }] },
      { text: "." },
    ],
  });
  await using agent = await agentFor("gemini", { model, folders }).open();
  await agent.prompt("Sleep.");
  expect(agent.calls).toMatchObject([{ status: "failed", output: "begun\n[stopped after 1 s: time limit reached]" }]);
});
