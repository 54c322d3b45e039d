import type { ModelRoute } from "../context.ts";

interface AllowedCall {
  readonly method: "GET" | "POST";
  readonly path: RegExp;
}

/** Providers put a version before their paths; a route's base URL may contain it already. */
const versionPattern = String.raw`^(?:/v\d+(?:(?:alpha|beta)\d*)?)?`;
const createGetCall = (path: string): AllowedCall => ({
  method: "GET",
  path: new RegExp(`${versionPattern}/${path}$`),
});
const createPostCall = (path: string): AllowedCall => ({
  method: "POST",
  path: new RegExp(`${versionPattern}/${path}$`),
});

/**
 * The calls that a run may make of each API: generate, count, embed, and list models. Files,
 * batches, stored answers and settings belong to the account, and so to every run that uses the
 * same key.
 */
const allowedCalls: { readonly [Api in ModelRoute["api"]]: readonly AllowedCall[] } = {
  gemini: [
    createGetCall("models"),
    createGetCall(String.raw`models/[\w.-]+`),
    createPostCall(
      String.raw`models/[\w.-]+:(?:generateContent|streamGenerateContent|countTokens|embedContent|batchEmbedContents)`,
    ),
  ],
  anthropic: [
    createPostCall("messages"),
    createPostCall("messages/count_tokens"),
    createGetCall("models"),
    createGetCall(String.raw`models/[\w.:@-]+`),
  ],
  openai: [
    createPostCall("responses"),
    createPostCall("chat/completions"),
    createPostCall("completions"),
    createPostCall("embeddings"),
    createGetCall("models"),
    // Servers that offer models of several makers put the maker before the name.
    createGetCall(String.raw`models/[\w.:@-]+(?:/[\w.:@-]+)?`),
  ],
};

/** Whether a run may make this call. HEAD returns the headers of a GET. */
export function isAllowedCall(api: ModelRoute["api"], method: string, path: string): boolean {
  const effectiveMethod = method === "HEAD" ? "GET" : method;
  return allowedCalls[api].some((call) => call.method === effectiveMethod && call.path.test(path));
}
