import { addressSetting, keySetting, toOneLine } from "@wharf/contract";
import type { UpstreamFault } from "../context.ts";

/** A provider's own words that are shown. */
const maxWordBytes = 300;
/** A longer wait is no advice to an agent. */
const maxWaitSeconds = 24 * 3600;

/** A model's server as a person knows it: by its settings and its address. */
export interface Upstream {
  readonly route: string;
  readonly origin: string;
}

const checkKey = ({ route }: Upstream) =>
  `Correct ${keySetting(route)} in the server's environment and start it again.`;
const checkAddress = ({ route }: Upstream) =>
  `Check ${addressSetting(route)} in the server's environment and that the server can reach that address.`;
const noteAddress = ({ route }: Upstream) => `Check ${addressSetting(route)}.`;
const noteRetries = "Agents retry by themselves.";
const tryLater = "The provider has to solve this. Prompt the task again later, or use another agent.";

interface Answered {
  readonly status: number;
  readonly retryAfter?: string | undefined;
  /** What the answer says of its reason. */
  readonly words?: string | undefined;
}

/** What an answer that is no success means, or nothing where it is one. */
export function describeStatus(upstream: Upstream, { status, retryAfter, words }: Answered): UpstreamFault | undefined {
  if (status >= 200 && status < 300) return undefined;
  const said = quote(words);
  const answers = `The model's server answers ${status}`;
  const setting = keySetting(upstream.route);
  if (status === 401 || (status === 400 && isAboutKey(words)))
    return { kind: "key", message: `${answers}: it refuses ${setting}.`, next: checkKey(upstream) };
  if (status === 403)
    return {
      kind: "forbidden",
      message: `${answers}: it does not permit this to ${setting}${said}.`,
      next: `Check with the provider what ${setting} may use, and correct it in the server's environment.`,
    };
  if (status === 429) {
    const wait = parseWait(retryAfter);
    const asked = wait === undefined ? "" : `; it asks to wait ${wait} s`;
    return {
      kind: "limited",
      message: `${answers} (too many requests)${said}${asked}.`,
      note: noteRetries,
      next: "Wait and prompt the task again, or check the quota and the credit of the provider's account.",
    };
  }
  if (status >= 500) return { kind: "failing", message: `${answers}${said}.`, note: noteRetries, next: tryLater };
  if (status < 400)
    return {
      kind: "moved",
      message: `${answers}: it redirects to another address.`,
      note: noteAddress(upstream),
      next: checkAddress(upstream),
    };
  return {
    kind: "refused",
    message: `${answers}${said}.`,
    next: "Check the model that the agent asks for, and whether the server speaks this API.",
  };
}

/** A provider repeats what it was asked, so that these may be the agent's words: they cannot leave the quotes. */
const quote = (words: string | undefined): string =>
  words
    ? `: "${toOneLine(words, maxWordBytes)
        .replaceAll('"', "'")
        .replace(/[.\s]+$/, "")}"`
    : "";

/** Gemini answers 400 to a key that is not good. */
const isAboutKey = (words = ""): boolean => /api.?key/i.test(words) && /valid|expired|incorrect/i.test(words);

function parseWait(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : Math.ceil((Date.parse(text) - Date.now()) / 1000);
  return seconds > 0 && seconds <= maxWaitSeconds ? seconds : undefined;
}

const connectionWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "its name could not be looked up",
  EHOSTUNREACH: "no way leads there",
  ENETUNREACH: "no way leads there",
  ETIMEDOUT: "no connection in time",
  ECONNRESET: "it closed the connection",
  EPIPE: "it closed the connection",
  EPROTO: "it does not speak TLS there",
};

/** No answer began. `reason` holds no secret. */
export function describeNoAnswer(upstream: Upstream, error: unknown, reason: string): UpstreamFault {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const words = connectionWords[code] ?? toOneLine(reason, maxWordBytes);
  return {
    kind: "unreachable",
    message: `The model's server at ${upstream.origin} does not answer (${words}).`,
    note: noteAddress(upstream),
    next: checkAddress(upstream),
  };
}

export const describeSlow = (seconds: number): UpstreamFault => ({
  kind: "slow",
  message: `The model's server has not answered for ${seconds} s.`,
  note: "Wharf still waits for it.",
  next: tryLater,
});

export const describeSilence = (seconds: number): UpstreamFault => ({
  kind: "silent",
  message: `The model's server sent nothing for ${seconds} s, and the request was ended.`,
  next: tryLater,
});

export const describeCut = (): UpstreamFault => ({
  kind: "cut",
  message: "The model's server broke off in the middle of an answer.",
  note: noteRetries,
  next: tryLater,
});

export const describeBrokenAnswer = (words: string | undefined): UpstreamFault => ({
  kind: "failing",
  message: `The model's server ends an answer with an error${quote(words)}.`,
  note: noteRetries,
  next: tryLater,
});

export const describeGarbage = (upstream: Upstream): UpstreamFault => ({
  kind: "garbage",
  message: `What answers at ${upstream.origin} does not answer like a model's server.`,
  note: noteAddress(upstream),
  next: checkAddress(upstream),
});
