import { randomUUID } from "node:crypto";
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ModelMessage } from "ai";
import { expect, test } from "vitest";
import { TestFolders } from "../../test/workspace.ts";
import { History } from "../session/index.ts";
import { Conversation } from "./conversation.ts";
import { trimMessages } from "./trim-messages.ts";

const call = (toolCallId: string): ModelMessage => ({
  role: "assistant",
  content: [{ type: "tool-call", toolCallId, toolName: "run_command", input: {} }],
});
const result = (toolCallId: string, value: string): ModelMessage => ({
  role: "tool",
  content: [{ type: "tool-result", toolCallId, toolName: "run_command", output: { type: "text", value } }],
});

test("a call whose result was lost with its process gets a result when the session is loaded", () => {
  using folders = new TestFolders();
  const id = randomUUID();
  const conversation = new Conversation(History.create(folders.home, id, { agent: "test", cwd: folders.cwd }));
  conversation.add({ role: "user", content: "go" });
  conversation.add({ role: "assistant", content: [...(call("one").content as []), ...(call("two").content as [])] });
  conversation.addResult({ id: "one", toolName: "run_command", input: {} }, { text: "done" });
  const loaded = new Conversation(History.load(folders.home, id)).getMessages(1_000_000);
  expect(loaded).toHaveLength(4);
  expect(JSON.stringify(loaded[3])).toMatch(/"toolCallId":"two".*unknown whether this call ran/);
  expect(new Conversation(History.load(folders.home, id)).getMessages(1_000_000)).toEqual(loaded);
});

test("a half-written line of a killed process is skipped, and the next line is kept", () => {
  using folders = new TestFolders();
  const id = randomUUID();
  new Conversation(History.create(folders.home, id, { agent: "test", cwd: folders.cwd })).add({
    role: "user",
    content: "one",
  });
  const [file = ""] = readdirSync(folders.home);
  appendFileSync(join(folders.home, file), '{"kind":"message","message":{"role":"us');
  new Conversation(History.load(folders.home, id)).add({ role: "user", content: "two" });
  expect(new Conversation(History.load(folders.home, id)).getMessages(1_000)).toEqual([
    { role: "user", content: "one" },
    { role: "user", content: "two" },
  ]);
  expect(readFileSync(join(folders.home, file), "utf8").endsWith("\n")).toBe(true);
});

test("the oldest results are omitted only when the conversation is too long, and the newest never", () => {
  const long = "x".repeat(10_000);
  const messages = [
    { role: "user" as const, content: "go" },
    ...Array.from({ length: 10 }, (_, index) => [call(`c${index}`), result(`c${index}`, long)]).flat(),
  ];
  const whole = structuredClone(messages);
  trimMessages(messages, 200_000);
  expect(messages).toEqual(whole);
  trimMessages(messages, 90_000);
  expect(JSON.stringify(messages).length).toBeLessThan(70_000);
  expect(messages.slice(-6)).toEqual(whole.slice(-6));
  expect(JSON.stringify(messages[2])).toContain("omitted to save space");
  expect(messages.map(({ role }) => role)).toEqual(whole.map(({ role }) => role));
});
