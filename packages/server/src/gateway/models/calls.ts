import type { ModelRoute } from "../context.ts";

interface Call {
  readonly method: "GET" | "POST";
  readonly path: RegExp;
}

/** Providers put a version before their paths; a route's base address may contain it already. */
const version = String.raw`^(?:/v\d+(?:(?:alpha|beta)\d*)?)?`;
const get = (path: string): Call => ({ method: "GET", path: new RegExp(`${version}/${path}$`) });
const post = (path: string): Call => ({ method: "POST", path: new RegExp(`${version}/${path}$`) });

/**
 * The calls a run may make of each API: generate, count, embed, and look at the models. Files, batches, stored answers
 * and settings belong to the account, so to every run that uses the same key.
 */
const allowedCalls: { readonly [Api in ModelRoute["api"]]: readonly Call[] } = {
  gemini: [
    get("models"),
    get(String.raw`models/[\w.-]+`),
    post(
      String.raw`models/[\w.-]+:(?:generateContent|streamGenerateContent|countTokens|embedContent|batchEmbedContents)`,
    ),
  ],
  anthropic: [post("messages"), post("messages/count_tokens"), get("models"), get(String.raw`models/[\w.:@-]+`)],
  openai: [
    post("responses"),
    post("chat/completions"),
    post("completions"),
    post("embeddings"),
    get("models"),
    // Servers that offer several makers' models put the maker before the name.
    get(String.raw`models/[\w.:@-]+(?:/[\w.:@-]+)?`),
  ],
};

const generatingCalls: { readonly [Api in ModelRoute["api"]]: RegExp } = {
  gemini: /:(?:stream)?generateContent$/i,
  anthropic: /\/messages$/,
  openai: /\/(?:responses|completions)$/,
};

/** Whether an allowed call asks the model for an answer. */
export const asksForAnswer = (api: ModelRoute["api"], method: string, path: string): boolean =>
  method === "POST" && generatingCalls[api].test(path);

/** Whether a run may make this call. HEAD asks for the head of what GET returns. */
export function isAllowedCall(api: ModelRoute["api"], method: string, path: string): boolean {
  const wanted = method === "HEAD" ? "GET" : method;
  return allowedCalls[api].some((call) => call.method === wanted && call.path.test(path));
}
