import { WharfError } from "@wharf/contract";
import type { ModelCall, ModelRoute } from "../../context.ts";
import type { Scalar } from "../json/json-scanner.ts";

export interface CallTarget {
  readonly api: ModelRoute["api"];
  readonly method: string;
  readonly path: string;
}

/** The values of a request's parameters; undefined stands for one that is no scalar. */
export type Parameters = ReadonlyMap<string, Scalar | undefined>;

const maxModelLength = 256;
/** With these, a compatible server may answer with another model than `model`. */
const modelChoices = ["models", "fallbacks"];
const outputLimits = ["max_completion_tokens", "max_output_tokens", "max_tokens", "generationConfig.maxOutputTokens"];
const answerCounts = ["n", "best_of", "generationConfig.candidateCount"];

const callKinds: { readonly [Api in ModelRoute["api"]]: readonly (readonly [RegExp, ModelCall["kind"]])[] } = {
  gemini: [
    [/:(?:stream)?generateContent$/i, "answer"],
    [/:(?:batchEmbedContents|embedContent)$/, "embedding"],
  ],
  anthropic: [[/\/messages$/, "answer"]],
  openai: [
    [/\/(?:responses|completions)$/, "answer"],
    [/\/embeddings$/, "embedding"],
  ],
};

export const createInvalidRequestError = (reason: string): WharfError =>
  new WharfError("model_request_invalid", { reason });

/** Returns what an allowed call asks for. */
export function getCallKind({ api, method, path }: CallTarget): ModelCall["kind"] {
  if (method !== "POST") return "list";
  return callKinds[api].find(([pattern]) => pattern.test(path))?.[1] ?? "count";
}

/** Returns what a request with these parameters asks for; throws if that is not clear. */
export function createModelCall(target: CallTarget, parameters: Parameters): ModelCall {
  const choice = modelChoices.find((name) => parameters.has(name));
  if (choice !== undefined) throw createInvalidRequestError(`'${choice}' asks for more than one model`);
  if (readFlag(parameters, "background"))
    throw createInvalidRequestError("'background' asks for an answer that the gateway could not count");
  const model = readModel(target, parameters);
  const limit = readOutputLimit(parameters);
  const streams = readsStream(target, parameters);
  return {
    kind: getCallKind(target),
    ...(model !== undefined && { model }),
    ...(limit !== undefined && { max_output_tokens: limit }),
    streams,
    reports_usage:
      !streams || !target.path.endsWith("/completions") || readFlag(parameters, "stream_options.include_usage"),
  };
}

const readsStream = ({ api, path }: CallTarget, parameters: Parameters): boolean =>
  api === "gemini" ? /:streamGenerateContent$/i.test(path) : readFlag(parameters, "stream");

function readModel({ api, path }: CallTarget, parameters: Parameters): string | undefined {
  if (api === "gemini") return /\/models\/([^/:]+)/.exec(path)?.[1];
  if (!parameters.has("model")) return undefined;
  const model = parameters.get("model");
  const isName = typeof model === "string" && model.length <= maxModelLength && /^[^\p{Cc}\s]+$/u.test(model);
  if (!isName) throw createInvalidRequestError("'model' is not the name of a model");
  return model;
}

/** Returns the limit for all answers together, each of which may be as long as the limit. */
function readOutputLimit(parameters: Parameters): number | undefined {
  const limits = outputLimits.flatMap((name) => readCount(parameters, name) ?? []);
  if (limits.length === 0) return undefined;
  return Math.max(...limits) * Math.max(1, ...answerCounts.map((name) => readCount(parameters, name) ?? 1));
}

function readFlag(parameters: Parameters, name: string): boolean {
  const value = parameters.has(name) ? parameters.get(name) : null;
  if (typeof value === "boolean" || value === null) return value === true;
  throw createInvalidRequestError(`'${name}' must be true or false`);
}

/** Some servers take -1 for no limit; the API of Gemini also takes digits in a string. */
function readCount(parameters: Parameters, name: string): number | undefined {
  const value = parameters.has(name) ? parameters.get(name) : null;
  if (value === null || value === -1) return undefined;
  const count = typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof count === "number" && Number.isInteger(count) && count >= 0 && count <= maxCount) return count;
  throw createInvalidRequestError(`'${name}' must be a whole number`);
}

const maxCount = 1_000_000_000;
