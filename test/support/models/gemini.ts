import { randomBytes } from "node:crypto";
import { CountTokens, GenerateContent, type Content } from "./gemini-schema.ts";
import { pieces, tokens, type Step } from "./script.ts";
import { check, Refusal, type Incoming, type ModelApi, type Outgoing, type Understood } from "./server.ts";

const route = /^\/v1(?:beta)?\/models\/([A-Za-z0-9._-]+):(generateContent|streamGenerateContent|countTokens)$/;
const operations = { generateContent: "generate", streamGenerateContent: "stream", countTokens: "count" } as const;
const finishReasons = { stop: "STOP", length: "MAX_TOKENS", refusal: "SAFETY" } as const;
const errorStatuses: Record<number, string> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  413: "INVALID_ARGUMENT",
  429: "RESOURCE_EXHAUSTED",
  503: "UNAVAILABLE",
};

const calls = (content: Content | undefined): number => content?.parts.filter((part) => part.functionCall).length ?? 0;
const responses = (content: Content | undefined): number =>
  content?.parts.filter((part) => part.functionResponse).length ?? 0;

/**
 * Checks that turns begin with the user, and that the next turn answers each turn of calls
 * completely.
 */
function checkOrder(contents: readonly Content[], model: string): void {
  if (contents[0]?.role === "model")
    throw new Refusal(400, "Please ensure that multiturn requests begin with a user turn.");
  for (const [index, content] of contents.entries()) {
    const asked = calls(content);
    const answered = responses(content);
    if (asked > 0 && content.role !== "model") throw new Refusal(400, "Function calls are only valid in a model turn.");
    if (answered > 0 && content.role === "model")
      throw new Refusal(400, "Function responses are only valid in a user turn.");
    if (asked > 0 && responses(contents[index + 1]) !== asked) {
      throw new Refusal(
        400,
        "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
      );
    }
    if (answered > 0 && calls(contents[index - 1]) === 0) {
      throw new Refusal(400, "Please ensure that function response turn comes immediately after a function call turn.");
    }
    const first = content.parts.find((part) => part.functionCall);
    if (model.startsWith("gemini-3") && first && !first.thoughtSignature) {
      throw new Refusal(
        400,
        `Function call is missing a thought_signature in functionCall parts. (${first.functionCall?.name})`,
      );
    }
  }
}

const getText = (content: Content | undefined): string => content?.parts.map((part) => part.text ?? "").join("") ?? "";

function understand({ method, url, body }: Incoming): Understood {
  const [, model, verb] = route.exec(url.pathname) ?? [];
  if (method !== "POST" || model === undefined || verb === undefined)
    throw new Refusal(404, `Requested entity was not found: ${url.pathname}`);
  const operation = operations[verb as keyof typeof operations];
  if (operation === "count") {
    check(CountTokens, body);
    return { model, operation, conversation: [], instructions: "", tools: [] };
  }
  const request = check(GenerateContent, body);
  checkOrder(request.contents, model);
  const declarations = request.tools?.flatMap((tool) => tool.functionDeclarations ?? []) ?? [];
  for (const { name, parameters, parametersJsonSchema } of declarations) {
    if (parameters && parametersJsonSchema)
      throw new Refusal(400, `${name}: parameters and parametersJsonSchema are mutually exclusive`);
  }
  const last = request.contents.at(-1);
  if (last?.role === "model") throw new Refusal(400, "Please use a valid role: the last turn must be of the user.");
  return {
    model,
    operation,
    conversation: request.contents.map((content) => ({
      from: content.role === "model" ? "model" : "user",
      text: getText(content),
      results: content.parts.flatMap(({ functionResponse }) =>
        functionResponse ? [JSON.stringify(functionResponse.response)] : [],
      ),
    })),
    instructions: request.systemInstruction?.parts.map((part) => part.text ?? "").join("\n") ?? "",
    tools: declarations.map(({ name }) => name),
  };
}

type AnswerPart = Record<string, unknown>;

/**
 * Converts the step to the chunks that the API streams: thoughts, text, calls. A call carries the
 * signature of the thought that precedes it.
 */
function splitStep(step: Step): AnswerPart[][] {
  const chunks: AnswerPart[][] = [];
  if (step.thought) chunks.push([{ text: step.thought, thought: true }]);
  for (const text of pieces(step)) chunks.push([{ text }]);
  if (step.toolCalls?.length) {
    chunks.push(
      step.toolCalls.map(({ name, args }, index) => ({
        functionCall: { name, args },
        ...(index === 0 && { thoughtSignature: randomBytes(24).toString("base64") }),
      })),
    );
  }
  return chunks;
}

async function answer(step: Step, understood: Understood, out: Outgoing, incoming: Incoming): Promise<void> {
  const promptTokenCount = tokens(incoming.body);
  const thoughtsTokenCount = tokens(step.thought ?? "");
  let candidatesTokenCount = 0;
  const responseId = randomBytes(12).toString("base64url");
  const body = (parts: AnswerPart[], finishReason?: string): object => {
    candidatesTokenCount += tokens(parts);
    return {
      candidates: [{ content: { parts, role: "model" }, index: 0, ...(finishReason && { finishReason }) }],
      usageMetadata: {
        promptTokenCount,
        candidatesTokenCount,
        totalTokenCount: promptTokenCount + candidatesTokenCount + thoughtsTokenCount,
        promptTokensDetails: [{ modality: "TEXT", tokenCount: promptTokenCount }],
        ...(thoughtsTokenCount > 0 && { thoughtsTokenCount }),
      },
      modelVersion: understood.model,
      responseId,
    };
  };
  const chunks = splitStep(step);
  const finish = finishReasons[step.finish ?? "stop"];
  if (understood.operation === "generate") {
    if (step.cut) return out.reset();
    return out.json(200, body(chunks.flat(), finish));
  }
  if (incoming.url.searchParams.get("alt") !== "sse") {
    return out.json(200, [...chunks.map((parts) => body(parts)), body([{ text: "" }], finish)]);
  }
  out.startStream();
  const last = chunks.length - 1;
  for (const [index, parts] of chunks.entries()) {
    if (index === last) await out.hold(step);
    const ends = index === last && !step.cut;
    out.write(`data: ${JSON.stringify(body(parts, ends ? finish : undefined))}\r\n\r\n`);
    if (index < last) await out.pause(step.pieceDelayMs);
  }
  if (step.cut === true) {
    await out.pause(20); // so that the sent data arrives before the reset
    return out.reset();
  }
  if (chunks.length === 0 && !step.cut) out.write(`data: ${JSON.stringify(body([{ text: "" }], finish))}\r\n\r\n`);
  out.end();
}

/**
 * The Gemini API: `/v1beta/models/<m>:generateContent`, `:streamGenerateContent?alt=sse`,
 * `:countTokens`.
 */
export const gemini: ModelApi = {
  wrongKey: "Request had invalid authentication credentials. Expected a valid API key.",
  authorise: ({ headers, url }, key) => (headers["x-goog-api-key"] ?? url.searchParams.get("key")) === key,
  understand,
  answer,
  count: (_understood, { body }) => ({
    totalTokens: tokens(body),
    promptTokensDetails: [{ modality: "TEXT", tokenCount: tokens(body) }],
  }),
  error: (status, message) => ({ error: { code: status, message, status: errorStatuses[status] ?? "INTERNAL" } }),
};
