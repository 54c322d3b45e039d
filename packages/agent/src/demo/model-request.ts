import { Problem } from "@wharf/contract";
import { z } from "zod";

const Chunk = z.looseObject({
  candidates: z
    .array(
      z.looseObject({
        content: z
          .looseObject({
            parts: z.array(z.looseObject({ text: z.string().optional(), thought: z.boolean().optional() })).default([]),
          })
          .optional(),
        finishReason: z.string().optional(),
      }),
    )
    .default([]),
});

export type ModelAnswer =
  | { readonly complete: true; readonly text: string }
  | { readonly complete: false; readonly reason: string };

async function* readEventData(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  let partialLine = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const lines = (partialLine + text).split(/\r?\n/);
    partialLine = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data:")) yield JSON.parse(line.slice("data:".length));
  }
}

function formatRefusal(status: number, body: string): string {
  try {
    const problem = Problem.safeParse(JSON.parse(body));
    if (problem.success) return `${status} ${problem.data.code}: ${problem.data.detail}`;
  } catch {
    // The body is not a problem document of the gateway.
  }
  return `${status} ${body.slice(0, 300)}`;
}

/**
 * Sends one streamed request to the gateway's gemini route. An answer without a finish reason
 * counts as cut, however it ended.
 */
export async function askModel(
  prompt: string,
  gateway: { url: string; token: string },
  signal: AbortSignal,
): Promise<ModelAnswer> {
  try {
    const response = await fetch(`${gateway.url}/models/gemini/v1beta/models/x:streamGenerateContent?alt=sse`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-goog-api-key": gateway.token },
      body: JSON.stringify({ contents: [{ role: "user", parts: [{ text: prompt }] }] }),
      signal,
    });
    if (!response.ok || !response.body)
      return { complete: false, reason: formatRefusal(response.status, await response.text()) };
    let text = "";
    let finished = false;
    for await (const data of readEventData(response.body)) {
      const [candidate] = Chunk.parse(data).candidates;
      text += candidate?.content?.parts.map((part) => (part.thought ? "" : (part.text ?? ""))).join("") ?? "";
      finished ||= candidate?.finishReason !== undefined;
    }
    return finished ? { complete: true, text } : { complete: false, reason: `cut after ${text.length} characters` };
  } catch (error) {
    signal.throwIfAborted();
    const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : "";
    return { complete: false, reason: `${error instanceof Error ? error.message : String(error)}${cause}` };
  }
}
