import { WharfError } from "@wharf/contract";
import { describe, expect, test } from "vitest";
import type { ModelCall } from "../../context.ts";
import { CallReader } from "./call-reader.ts";
import type { CallTarget } from "./model-call.ts";

const messages: CallTarget = { api: "anthropic", method: "POST", path: "/v1/messages" };
const chat: CallTarget = { api: "openai", method: "POST", path: "/v1/chat/completions" };
const responses: CallTarget = { api: "openai", method: "POST", path: "/v1/responses" };
const gemini = (call: string): CallTarget => ({ api: "gemini", method: "POST", path: `/v1beta/models/${call}` });

function read(target: CallTarget, body: unknown): ModelCall {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  const reader = new CallReader(target);
  for (let offset = 0; offset < bytes.length; offset += 7) reader.add(bytes.subarray(offset, offset + 7));
  return reader.end(bytes);
}

function readReason(target: CallTarget, body: unknown): string {
  try {
    return JSON.stringify(read(target, body));
  } catch (error) {
    expect(error).toBeInstanceOf(WharfError);
    expect((error as WharfError).code).toBe("model_request_invalid");
    return (error as WharfError).message;
  }
}

describe("a request to a model", () => {
  test.each<[string, CallTarget, object, ModelCall]>([
    [
      "Gemini, streamed",
      gemini("gemini-2.5-pro:streamGenerateContent"),
      { contents: [{ parts: [{ text: "model" }] }], generationConfig: { temperature: 1, maxOutputTokens: 8192 } },
      { kind: "answer", model: "gemini-2.5-pro", max_output_tokens: 8192, streams: true, reports_usage: true },
    ],
    [
      "Gemini, in the other spelling and with several candidates",
      gemini("gemini-2.5-pro:generateContent"),
      { generation_config: { max_output_tokens: "10", candidate_count: 3 } },
      { kind: "answer", model: "gemini-2.5-pro", max_output_tokens: 30, streams: false, reports_usage: true },
    ],
    [
      "Gemini's embeddings",
      gemini("gemini-embedding-001:batchEmbedContents"),
      { requests: [] },
      { kind: "embedding", model: "gemini-embedding-001", streams: false, reports_usage: true },
    ],
    [
      "Anthropic",
      messages,
      { model: "claude-sonnet-4-5", max_tokens: 32_000, stream: true, messages: [], tools: [{ model: "x", n: 9 }] },
      { kind: "answer", model: "claude-sonnet-4-5", max_output_tokens: 32_000, streams: true, reports_usage: true },
    ],
    [
      "Responses",
      responses,
      { input: "x", model: "gpt-5", max_output_tokens: null, stream: true, background: false },
      { kind: "answer", model: "gpt-5", streams: true, reports_usage: true },
    ],
    [
      "Chat Completions without counts in the stream",
      chat,
      { model: "gpt-5", max_completion_tokens: 100, n: 2, stream: true },
      { kind: "answer", model: "gpt-5", max_output_tokens: 200, streams: true, reports_usage: false },
    ],
    [
      "Chat Completions with counts in the stream",
      chat,
      { model: "gpt-5", max_tokens: -1, stream: true, stream_options: { include_usage: true } },
      { kind: "answer", model: "gpt-5", streams: true, reports_usage: true },
    ],
    [
      "embeddings",
      { api: "openai", method: "POST", path: "/embeddings" },
      { model: "text-embedding-3-small", input: ["a"] },
      { kind: "embedding", model: "text-embedding-3-small", streams: false, reports_usage: true },
    ],
    ["an answer of no named model", chat, {}, { kind: "answer", streams: false, reports_usage: true }],
  ])("to %s says what it asks for", (_what, target, body, call) => {
    expect(read(target, body)).toEqual(call);
    expect(read(target, JSON.stringify(body, undefined, 2))).toEqual(call);
  });

  test("that counts or lists is not read", () => {
    expect(read({ ...messages, path: "/v1/messages/count_tokens" }, "no JSON")).toMatchObject({ kind: "count" });
    expect(read(gemini("m:countTokens"), "")).toMatchObject({ kind: "count", model: "m" });
    expect(read({ api: "openai", method: "GET", path: "/v1/models" }, "")).toMatchObject({ kind: "list" });
  });

  test.each([
    ["the same key twice", '{"model":"cheap","model":"dear"}', "'model' twice"],
    ["an escaped key", '{"model":"cheap","mod\\u0065l":"dear"}', "'model' twice"],
    ["another case, which Go takes for the same", '{"model":"cheap","MODEL":"dear"}', "'model' twice"],
    ["another form of a letter", '{"max_tokens":1,"max_to\u212Aens":1000}', "'max_tokens' twice"],
    ["an end that C does not see", '{"model":"cheap","model\\u0000x":"dear"}', "'model' twice"],
    ["a flag twice in an object", '{"stream_options":{"include_usage":true,"include_usage":false}}', "twice"],
    ["a second object", '{"model":"cheap"} {"model":"dear"}', "follows"],
    ["an array", '[{"model":"cheap"}]', "not a JSON object"],
    ["a string", '"model"', "not a JSON object"],
    ["nothing", "", "empty"],
    ["a form", "model=dear", "not JSON"],
    ["a model that is an object", '{"model":{"model":"dear"}}', "not the name"],
    ["a model of another type", '{"model":7}', "not the name"],
    ["no name", '{"model":""}', "not the name"],
    ["a very long name", JSON.stringify({ model: "x".repeat(10_000) }), "not the name"],
    ["a line break in the name", '{"model":"a\\nb"}', "not the name"],
    ["more models", '{"model":"cheap","models":["dear"]}', "more than one model"],
    ["a stream as text", '{"model":"m","stream":"true"}', "'stream' must be"],
    ["a limit that is no number", '{"model":"m","max_tokens":1.5}', "'max_tokens' must be"],
    ["a limit below zero", '{"model":"m","max_tokens":-5}', "'max_tokens' must be"],
    ["a limit without measure", '{"model":"m","max_tokens":1e300}', "'max_tokens' must be"],
    ["an answer in the background", '{"model":"m","background":true}', "'background'"],
    ["deep nesting", `{"a":${"[".repeat(1_000)}`, "deep"],
  ])("with %s is refused", (_what, body, reason) => {
    expect(readReason(chat, body)).toContain(reason);
  });

  test("that is not UTF-8 is refused", () => {
    const bytes = Buffer.concat([Buffer.from('{"model":"m","input":"'), Buffer.of(0xff), Buffer.from('"}')]);
    expect(readReason(chat, bytes)).toContain("UTF-8");
    expect(readReason(chat, Buffer.from('{"model":"m"}', "utf16le"))).toContain("not JSON");
  });
});
