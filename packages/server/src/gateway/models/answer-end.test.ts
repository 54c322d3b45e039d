import { setImmediate } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { AnswerEnd, type AnswerEndOptions } from "./answer-end.ts";

/** Passes chunks on, and shows what has come out before and after the end may be seen. */
async function pass(chunks: readonly string[], options: Pick<AnswerEndOptions, "api" | "isStream">) {
  const permission = Promise.withResolvers<void>();
  const end = new AnswerEnd({ ...options, beforeEnd: () => permission.promise });
  let text = "";
  end.on("data", (chunk: Buffer) => (text += chunk.toString()));
  for (const chunk of chunks) end.write(Buffer.from(chunk));
  end.end();
  await setImmediate();
  const before = text;
  permission.resolve();
  await new Promise((resolve) => end.once("end", resolve));
  expect(text).toBe(chunks.join(""));
  return before;
}

const streams = [
  {
    api: "anthropic",
    body: 'event: message_delta\ndata: {"type":"message_delta"}\n\n',
    end: 'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  },
  { api: "openai", body: 'data: {"choices":[{"finish_reason":"stop"}]}\n\n', end: "data: [DONE]\n\n" },
  {
    api: "openai",
    body: 'event: response.output_text.done\ndata: {"type":"x"}\n\n',
    end: 'event: response.completed\ndata: {"type":"response.completed"}\n\n',
  },
  { api: "gemini", body: 'data: {"candidates":[{"content":{"parts":[]}}]}\n\n', end: '"finishReason": "STOP"}\n\n' },
] as const;

describe("the end of an answer", () => {
  test.each(streams)("of $api waits, however it is split, and everything before it does not", async (stream) => {
    const { api, body, end } = stream;
    const text = body + end;
    for (let cut = 0; cut <= text.length; cut++) {
      const before = await pass([text.slice(0, cut), text.slice(cut)].filter(Boolean), { api, isStream: true });
      expect(before.startsWith(body), `cut at ${cut}`).toBe(true);
      expect(before.length, `cut at ${cut}`).toBeLessThan(text.length - 2);
    }
  });

  test("is not what a model writes about it", async () => {
    const text = 'data: {"text":"\\ndata: [DONE]\\n event: response.completed [DONE]"}\n\n';
    expect(await pass([text], { api: "openai", isStream: true })).toBe(text);
  });

  test("is the last chunk if the answer is no stream", async () => {
    expect(await pass(['{"a":', "1", "}"], { api: "openai", isStream: false })).toBe('{"a":1');
  });

  test("does not wait for a server that keeps the connection open", async () => {
    vi.useFakeTimers();
    try {
      const end = new AnswerEnd({ api: "openai", isStream: true, beforeEnd: async () => undefined });
      let text = "";
      end.on("data", (chunk: Buffer) => (text += chunk.toString()));
      end.write("data: [DONE]\n\n");
      await vi.advanceTimersByTimeAsync(1_000);
      expect(text).toBe("");
      await vi.advanceTimersByTimeAsync(1_500);
      expect(text).toBe("data: [DONE]\n\n");
      end.write(": still here\n\n");
      await vi.advanceTimersByTimeAsync(0);
      expect(text).toBe("data: [DONE]\n\n: still here\n\n");
      end.destroy();
    } finally {
      vi.useRealTimers();
    }
  });

  test("is missing if it could not be recorded", async () => {
    const end = new AnswerEnd({
      api: "openai",
      isStream: true,
      beforeEnd: () => Promise.reject(new Error("no database")),
    });
    let text = "";
    end.on("data", (chunk: Buffer) => (text += chunk.toString()));
    end.end("data: 1\n\ndata: [DONE]\n\n");
    await expect(new Promise((_, reject) => end.once("error", reject))).rejects.toThrow("no database");
    expect(text).toBe("data: 1\n\n");
  });
});
