import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Script } from "../../../test/support/models/index.ts";
import { agentFor, failureOf, fullTurn, key, start } from "../test/agent.ts";
import { TestFolders } from "../test/workspace.ts";

describe.each(["gemini", "anthropic", "openai"] as const)("with a model of the %s API", (provider) => {
  test("a full turn writes a file, runs a command and reports both", async () => {
    using folders = new TestFolders({ "AGENTS.md": "Say hello in lower case.\n" });
    await using model = await start[provider]({ key, script: fullTurn });
    await using agent = await agentFor(provider, { model, folders }).open();
    const { stopReason, _meta } = await agent.prompt("Write a greeting.");
    expect(stopReason).toBe("end_turn");
    expect(agent.said).toBe("I will greet the world in a file.The file is there and says hello.");
    expect(readFileSync(join(folders.cwd, "hello.txt"), "utf8")).toBe("hello\n");
    expect(agent.written).toEqual([join(folders.cwd, "hello.txt")]);
    expect(agent.calls).toMatchObject([
      { title: "Write hello.txt", status: "completed", output: "diff" },
      { title: "cat hello.txt && echo done >&2", status: "completed", output: "hello\ndone\n[exit code 0]" },
    ]);
    expect(agent.asked.map(({ toolCall }) => toolCall.kind)).toEqual(["edit", "execute"]);
    const [first, second, third] = model.requests;
    expect(first).toMatchObject({ operation: "stream", status: 200, prompt: "Write a greeting." });
    expect(first?.instructions).toContain("Say hello in lower case.");
    expect(second?.toolResults?.join()).toContain("Created hello.txt.");
    expect(third?.toolResults?.join()).toContain("hello\\ndone".replace("\\n", provider === "gemini" ? "\\n" : "\n"));
    expect(agent.updates.filter((update) => update.sessionUpdate === "usage_update")).toHaveLength(3);
    expect(_meta?.["usage"]).toMatchObject({ model_requests: 3 });
    expect(agent.stderr).toBe("");
    expect(await agent.close()).toBe(0);
  });

  test.each([true, "clean"] as const)(
    "an answer that is cut (%s) fails the turn, and a tool call in it does not run",
    async (cut) => {
      using folders = new TestFolders();
      const script: Script = [
        {
          text: "Now I write it, and here comes",
          toolCalls: [{ name: "write_file", args: { path: "cut.txt", content: "never" } }],
          cut,
        },
        { text: "Here is all of it." },
      ];
      await using model = await start[provider]({ key, script });
      await using agent = await agentFor(provider, { model, folders }).open();
      const problem = await failureOf(agent.prompt("Go."));
      expect(problem.message).toBe(
        `The model route '${provider}' cut its answer short; the agent discarded that answer.`,
      );
      expect(problem.data).toMatchObject({ code: "model_answer_cut" });
      expect(agent.said).toContain("Now I write");
      expect(existsSync(join(folders.cwd, "cut.txt"))).toBe(false);
      expect(agent.calls.every(({ status }) => status === "failed")).toBe(true);
      expect(model.requests).toHaveLength(1);
      expect((await agent.prompt("Again.")).stopReason).toBe("end_turn");
      expect(agent.said).toContain("Here is all of it.");
    },
  );

  test("an answer that is cut before any of it was shown is requested again", async () => {
    using folders = new TestFolders();
    await using model = await start[provider]({
      key,
      script: [{ cut: true }, { cut: "clean" }, { text: "Here it is." }],
    });
    await using agent = await agentFor(provider, { model, folders }).open();
    expect((await agent.prompt("Go.")).stopReason).toBe("end_turn");
    expect(agent.said).toBe("Here it is.");
    expect(model.requests).toHaveLength(3);
  });

  test("a session loaded in a new process continues the conversation", async () => {
    using folders = new TestFolders();
    await using model = await start[provider]({ key, script: [...fullTurn, { text: "As I said, it says hello." }] });
    await using before = await agentFor(provider, { model, folders }).open();
    await before.prompt("Write a greeting.");
    await before.kill();
    await using after = await agentFor(provider, { model, folders }).load(before.sessionId);
    expect(after.said).toBe(before.said);
    expect(after.calls).toEqual(before.calls);
    expect(after.updates[0]).toMatchObject({
      sessionUpdate: "user_message_chunk",
      content: { text: "Write a greeting." },
    });
    expect((await after.prompt("What does it say?")).stopReason).toBe("end_turn");
    const last = JSON.stringify(model.requests.at(-1)?.body);
    for (const earlier of ["Write a greeting.", "I will greet the world", "Created hello.txt.", "The file is there"])
      expect(last).toContain(earlier);
  });

  test("a wrong key ends the turn with the API's message, and no request is repeated", async () => {
    using folders = new TestFolders();
    await using model = await start[provider]({ key: "another", script: [] });
    await using agent = await agentFor(provider, { model, folders }).open();
    const problem = await failureOf(agent.prompt("Go."));
    expect(problem.message).toMatch(/HTTP 401: .*(credentials|x-api-key|API key)/);
    expect(model.requests.map(({ status }) => status)).toEqual([401]);
  });
});
