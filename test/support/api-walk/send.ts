import { Agent, request } from "node:http";
import type { Answer } from "./answer-check.ts";
import type { PlannedBody, PlannedRequest } from "./requests.ts";

/** More of a stream is not read, and a stream without an end is left after this time. */
const maxAnswerBytes = 4 << 20;
const maxStreamMs = 300;
const timeoutMs = 60_000;

export interface SentRequest extends PlannedRequest {
  readonly url: string;
  readonly token: string | undefined;
  readonly agent: Agent;
}

/**
 * Sends a request and reads its answer. The server may close an idle connection in the moment in
 * which it is used again; the next attempt has another one.
 */
export async function sendPlanned(planned: SentRequest): Promise<Answer> {
  for (;;) {
    const { promise, outgoing } = sendOnce(planned);
    try {
      return await promise;
    } catch (error) {
      const isClosed = error instanceof Error && "code" in error && error.code === "ECONNRESET";
      if (!isClosed || !outgoing.reusedSocket) throw error;
    }
  }
}

function sendOnce({ operation, url, body, contentType, headers, token, agent }: SentRequest) {
  const bytes = toBytes(body);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = request(url, {
    method: operation.method,
    agent,
    timeout: timeoutMs,
    headers: {
      ...headers,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(bytes && contentType !== undefined && { "content-type": contentType }),
      ...(bytes && { "content-length": bytes.length }),
    },
  });
  outgoing.once("timeout", () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)));
  outgoing.once("error", reject);
  outgoing.once("response", (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (isWhole: boolean) => {
      clearTimeout(leaveTimer);
      resolve({
        status: response.statusCode ?? 0,
        type: response.headers["content-type"] ?? "",
        text: Buffer.concat(chunks).toString(),
        isWhole,
      });
      if (!isWhole) response.destroy();
    };
    const isEndless = response.headers["content-length"] === undefined;
    const leaveTimer = setTimeout(() => finish(false), isEndless ? maxStreamMs : timeoutMs);
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxAnswerBytes) finish(false);
    });
    response.once("end", () => finish(true));
    response.once("error", () => finish(false));
  });
  outgoing.end(bytes);
  return { promise, outgoing };
}

function toBytes(body: PlannedBody): Buffer | undefined {
  switch (body.kind) {
    case "none":
      return undefined;
    case "json":
      return Buffer.from(JSON.stringify(body.value) ?? "", body.encoding);
    case "cut":
      return Buffer.from((JSON.stringify(body.value) ?? "").slice(0, -1));
    case "text":
      return Buffer.from(body.text);
    case "bytes":
      return Buffer.from(body.bytes);
    case "deep":
      return Buffer.from("[".repeat(body.depth) + "]".repeat(body.depth));
    case "huge":
      return Buffer.from(JSON.stringify({ title: "x".repeat(body.bytes) }));
  }
}
