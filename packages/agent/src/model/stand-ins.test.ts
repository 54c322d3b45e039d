import { describe, expect, test } from "vitest";
import { startAnthropic, startGemini, startOpenai, type ModelServer } from "../../../../test/support/models/index.ts";

const key = "the-key";
const script = [{ text: "hello" }];

interface Sent {
  readonly status: number;
  readonly text: string;
}

async function post(
  server: ModelServer,
  path: string,
  parts: { headers: Record<string, string>; body: unknown },
): Promise<Sent> {
  const response = await fetch(server.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...parts.headers },
    body: JSON.stringify(parts.body),
  });
  return { status: response.status, text: await response.text() };
}

describe("the stand-in for Gemini", () => {
  const path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";
  const user = { role: "user", parts: [{ text: "hi" }] };
  const call = { role: "model", parts: [{ functionCall: { name: "f", args: {} } }] };
  const response = { role: "user", parts: [{ functionResponse: { name: "f", response: { output: "x" } } }] };
  const send = async (
    body: unknown,
    headers: Record<string, string> = { "x-goog-api-key": key },
    at = path,
  ): Promise<Sent> => {
    await using server = await startGemini({ key, script });
    return await post(server, at, { headers, body });
  };

  test("streams in the API's form, with usage and a finish reason in the last chunk", async () => {
    await using server = await startGemini({
      key,
      script: [{ thought: "hm", text: "hello there, you", toolCalls: [{ name: "f", args: { a: 1 } }] }],
    });
    const { status, text } = await post(server, path, {
      headers: { "x-goog-api-key": key },
      body: { contents: [user], tools: [{ functionDeclarations: [{ name: "f", description: "f" }] }] },
    });
    expect(status).toBe(200);
    const chunks = text
      .split("\r\n\r\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line.replace(/^data: /, "")));
    expect(
      chunks.flatMap(({ candidates }) => candidates[0].content.parts.map((part: object) => Object.keys(part)[0])),
    ).toEqual(["text", "text", "text", "functionCall"]);
    expect(chunks.map(({ candidates }) => candidates[0].finishReason)).toEqual([
      undefined,
      undefined,
      undefined,
      "STOP",
    ]);
    expect(chunks.at(-1).usageMetadata.totalTokenCount).toBeGreaterThan(0);
  });

  test("requires its key, in the header or the query", async () => {
    expect((await send({ contents: [user] }, {})).status).toBe(401);
    expect((await send({ contents: [user] }, { authorization: `Bearer ${key}` })).status).toBe(401);
    expect((await send({ contents: [user] }, {}, `${path}&key=${key}`)).status).toBe(200);
  });

  test.each([
    ["no contents", {}],
    ["an unknown field", { contents: [user], foo: 1 }],
    ["an unknown role", { contents: [{ role: "assistant", parts: [{ text: "x" }] }] }],
    ["a turn of the model first", { contents: [call, response] }],
    ["a call without its response", { contents: [user, call, user] }],
    ["a response without its call", { contents: [user, response] }],
    ["an empty part", { contents: [{ role: "user", parts: [{}] }] }],
  ])("refuses %s", async (_what, body) => {
    const { status, text } = await send(body);
    expect(status).toBe(400);
    expect(JSON.parse(text).error).toMatchObject({ code: 400, status: "INVALID_ARGUMENT" });
  });

  test("requires signatures with the calls of newer models, counts tokens and refuses any other path", async () => {
    expect((await send({ contents: [user, call, response] })).status).toBe(200);
    expect((await send({ contents: [user, call, response] }, undefined, path.replace("2.5", "3"))).text).toContain(
      "thought_signature",
    );
    expect(
      JSON.parse((await send({ contents: [user] }, undefined, "/v1beta/models/m:countTokens")).text).totalTokens,
    ).toBeGreaterThan(0);
    expect((await send({ contents: [user] }, undefined, "/v1beta/models/m:other")).status).toBe(404);
  });

  test("reports a script without further steps and a call of an undeclared tool", async () => {
    await using server = await startGemini({ key, script: [{ toolCalls: [{ name: "nobody", args: {} }] }] });
    const parts = { headers: { "x-goog-api-key": key }, body: { contents: [user] } };
    expect((await post(server, path, parts)).text).toContain("'nobody'");
    expect((await post(server, path, parts)).text).toContain("asked for one more");
    expect(server.requests.map(({ status }) => status)).toEqual([500, 500]);
  });
});

describe("the stand-in for Anthropic", () => {
  const user = { role: "user", content: "hi" };
  const use = { role: "assistant", content: [{ type: "tool_use", id: "toolu_1", name: "f", input: {} }] };
  const result = (tool_use_id: string) => ({
    role: "user",
    content: [{ type: "tool_result", tool_use_id, content: "x" }],
  });
  const send = async (
    body: object,
    headers: Record<string, string> = { "x-api-key": key, "anthropic-version": "2023-06-01" },
  ): Promise<Sent> => {
    await using server = await startAnthropic({ key, script });
    return await post(server, "/v1/messages", { headers, body: { model: "m", max_tokens: 10, stream: true, ...body } });
  };

  test("streams the API's events in order", async () => {
    const { text } = await send({ messages: [user, use, result("toolu_1")] });
    expect([...text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name)).toEqual([
      "message_start",
      "ping",
      "content_block_start",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    expect(text).toContain('"stop_reason":"end_turn"');
  });

  test("requires its key, as a header or a bearer token, and the version", async () => {
    expect((await send({ messages: [user] }, { "anthropic-version": "2023-06-01" })).status).toBe(401);
    expect(
      (await send({ messages: [user] }, { authorization: `Bearer ${key}`, "anthropic-version": "2023-06-01" })).status,
    ).toBe(200);
    expect((await send({ messages: [user] }, { "x-api-key": key })).status).toBe(400);
  });

  test.each([
    ["an unknown field", { messages: [user], foo: 1 }],
    ["no room for an answer", { messages: [user], max_tokens: 0 }],
    ["an empty text", { messages: [{ role: "user", content: "" }] }],
    ["a first message of the assistant", { messages: [use, result("toolu_1")] }],
    ["a tool use without its result", { messages: [user, use, user] }],
    ["a result without its use", { messages: [user, use, result("toolu_2")] }],
  ])("refuses %s", async (_what, body) => {
    const { status, text } = await send(body);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({ type: "error", error: { type: "invalid_request_error" } });
  });
});

describe("the stand-in for OpenAI", () => {
  const user = { role: "user", content: "hi" };
  const call = {
    role: "assistant",
    content: null,
    tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: "{}" } }],
  };
  const result = (tool_call_id: string) => ({ role: "tool", tool_call_id, content: "x" });
  const send = async (
    body: object,
    headers: Record<string, string> = { authorization: `Bearer ${key}` },
  ): Promise<Sent> => {
    await using server = await startOpenai({ key, script });
    return await post(server, "/v1/chat/completions", { headers, body: { model: "m", stream: true, ...body } });
  };

  test("streams chunks, the usage if it is requested, and the end", async () => {
    const { text } = await send({ messages: [user, call, result("c1")], stream_options: { include_usage: true } });
    const data = [...text.matchAll(/^data: (.*)$/gm)].map(([, line]) => line ?? "");
    expect(data.at(-1)).toBe("[DONE]");
    expect(JSON.parse(data.at(-2) ?? "")).toMatchObject({ choices: [], usage: { total_tokens: expect.any(Number) } });
    expect(JSON.parse(data.at(-3) ?? "").choices[0].finish_reason).toBe("stop");
    expect((await send({ messages: [user] })).text).not.toContain("usage");
  });

  test("requires its key as a bearer token", async () => {
    expect((await send({ messages: [user] }, { "x-api-key": key })).status).toBe(401);
  });

  test.each([
    ["an unknown field", { messages: [user], foo: 1 }],
    ["an unknown role", { messages: [{ role: "robot", content: "x" }] }],
    ["a call without its result", { messages: [user, call, user] }],
    ["a result without its call", { messages: [user, result("c1")] }],
    [
      "arguments that are no JSON",
      {
        messages: [
          user,
          { ...call, tool_calls: [{ ...call.tool_calls[0], function: { name: "f", arguments: "{" } }] },
          result("c1"),
        ],
      },
    ],
  ])("refuses %s", async (_what, body) => {
    const { status, text } = await send(body);
    expect(status).toBe(400);
    expect(JSON.parse(text).error).toMatchObject({ type: "invalid_request_error" });
  });
});

describe("the stand-in for OpenAI's responses", () => {
  const user = { type: "message", role: "user", content: [{ type: "input_text", text: "hi" }] };
  const call = { type: "custom_tool_call", call_id: "c1", name: "f", input: "1" };
  const output = { type: "custom_tool_call_output", call_id: "c1", output: "2" };
  const send = async (body: object): Promise<Sent> => {
    await using server = await startOpenai({
      key,
      script: [{ text: "hello there, you", toolCalls: [{ name: "f", args: { input: "text(1)" } }] }],
    });
    const tools = [{ type: "namespace", name: "functions", tools: [{ type: "custom", name: "f" }] }];
    const whole = { model: "m", stream: true, tools, ...body };
    return await post(server, "/v1/responses", { headers: { authorization: `Bearer ${key}` }, body: whole });
  };

  test("streams the API's events in order, with a custom tool's input as plain text", async () => {
    const { text } = await send({ input: [user, call, output] });
    const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, line]) => JSON.parse(line ?? ""));
    expect(events.map(({ type }) => type.replace("response.", ""))).toEqual([
      "created",
      "output_item.added",
      "output_text.delta",
      "output_text.delta",
      "output_item.done",
      "output_item.done",
      "completed",
    ]);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, n) => n));
    expect(events.at(-1).response.output).toMatchObject([
      { content: [{ text: "hello there, you" }] },
      { type: "custom_tool_call", input: "text(1)" },
    ]);
    expect(events.at(-1).response.usage.total_tokens).toBeGreaterThan(0);
  });

  test.each([
    ["an unknown field", { input: [user], foo: 1 }],
    ["an unknown item", { input: [{ type: "robot" }] }],
    ["a call without its output", { input: [user, call] }],
    ["an output without its call", { input: [user, output] }],
    ["an output of another kind of call", { input: [user, call, { ...output, type: "function_call_output" }] }],
  ])("refuses %s", async (_what, body) => {
    expect(await send(body)).toMatchObject({ status: 400 });
  });
});
