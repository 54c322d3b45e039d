import { toOneLine } from "@wharf/contract";
import { getErrorCode } from "../../std/errors.ts";
import type { UpstreamFault } from "../context.ts";
import type { KeyDescription } from "./describe-key.ts";

/** Maximum length of a quoted message of a provider. */
const maxWordBytes = 300;
/** A longer wait is no useful advice to an agent. */
const maxWaitSeconds = 24 * 3600;

/** A model's server as a person knows it: by its settings and its address. */
export interface UpstreamNames {
  readonly origin: string;
  /** The setting that holds the address. */
  readonly setting: string;
  readonly keyDescription: KeyDescription;
}

const formatAddressAdvice = ({ setting }: UpstreamNames) =>
  `Check ${setting}, and that the server can reach that address.`;
const formatAddressNote = ({ setting }: UpstreamNames) => `Check ${setting}.`;
const noteRetries = "Agents retry automatically.";
const tryLater = "The provider has to solve this. Prompt the task again later, or use another agent.";

interface AnswerStatus {
  readonly status: number;
  /** When the provider's limit resets, in ms since the epoch. */
  readonly resetMs?: number | undefined;
  /** The reason that the answer contains. */
  readonly words?: string | undefined;
}

/** Explains an unsuccessful answer; returns undefined for a successful one. */
export function getStatusFault(
  upstream: UpstreamNames,
  { status, resetMs, words }: AnswerStatus,
): UpstreamFault | undefined {
  if (status >= 200 && status < 300) return undefined;
  const quotedReason = formatQuote(words);
  const answers = `The model's server returned ${status}`;
  const { name: key, advice: keyAdvice } = upstream.keyDescription;
  const reset = resetMs !== undefined && { reset_at: new Date(resetMs).toISOString() };
  if (status === 401 || (status === 400 && isAboutKey(words)))
    return { kind: "key", message: `${answers}: it rejects ${key}.`, next: keyAdvice };
  if (status === 403)
    return {
      kind: "forbidden",
      message: `${answers}: ${key} may not do this${quotedReason}.`,
      next: `Check with the provider what ${key} may use. ${keyAdvice}`,
    };
  if (status === 429) {
    const wait = getWaitSeconds(resetMs);
    const waitAdvice = wait === undefined ? "" : `; it asks to wait ${wait} s`;
    return {
      kind: "limited",
      message: `${answers} (too many requests)${quotedReason}${waitAdvice}.`,
      note: noteRetries,
      next: "Wait and prompt the task again, or check the quota and the credit of the provider's account.",
      ...reset,
    };
  }
  if (status >= 500)
    return { kind: "failing", message: `${answers}${quotedReason}.`, note: noteRetries, next: tryLater, ...reset };
  if (status < 400)
    return {
      kind: "moved",
      message: `${answers}: it redirects to another address.`,
      note: formatAddressNote(upstream),
      next: formatAddressAdvice(upstream),
    };
  return {
    kind: "refused",
    message: `${answers}${quotedReason}.`,
    next: "Check the model that the agent asks for, and whether the server speaks this API.",
  };
}

/**
 * A provider may repeat its input, so the message may contain text of the agent, which must not
 * leave the quotes.
 */
const formatQuote = (words: string | undefined): string =>
  words
    ? `: "${toOneLine(words, maxWordBytes)
        .replaceAll('"', "'")
        .replace(/[.\s]+$/, "")}"`
    : "";

/**
 * Gemini answers 400 to an invalid key. Other messages may repeat what an agent wrote about keys,
 * and a rejected key stops the requests of everybody.
 */
const isAboutKey = (words = ""): boolean => /^API key (not valid|expired)\b/i.test(words);

function getWaitSeconds(resetMs: number | undefined): number | undefined {
  if (resetMs === undefined) return undefined;
  const seconds = Math.ceil((resetMs - Date.now()) / 1000);
  return seconds > 0 && seconds <= maxWaitSeconds ? seconds : undefined;
}

const connectionWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "the host does not exist",
  EAI_AGAIN: "the host's name could not be resolved",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the host",
  ETIMEDOUT: "the connection timed out",
  ECONNRESET: "it closed the connection",
  EPIPE: "it closed the connection",
  EPROTO: "the server does not use TLS",
};

/** Creates the fault for a request without an answer. `reason` holds no secret. */
export function createNoAnswerFault(upstream: UpstreamNames, error: unknown, reason: string): UpstreamFault {
  const code = getErrorCode(error) ?? "";
  const words = connectionWords[code] ?? toOneLine(reason, maxWordBytes);
  return {
    kind: "unreachable",
    message: `The model's server at ${upstream.origin} does not respond (${words}).`,
    note: formatAddressNote(upstream),
    next: formatAddressAdvice(upstream),
  };
}

export const createSlowFault = (seconds: number): UpstreamFault => ({
  kind: "slow",
  message: `The model's server has not responded for ${seconds} s.`,
  note: "Wharf is still waiting.",
  next: tryLater,
});

export const createSilenceFault = (seconds: number): UpstreamFault => ({
  kind: "silent",
  message: `The model's server sent nothing for ${Math.round(seconds * 10) / 10} s, so Wharf ended the request.`,
  next: tryLater,
});

export const createCutFault = (): UpstreamFault => ({
  kind: "cut",
  message: "The model's server closed the connection in the middle of a response.",
  note: noteRetries,
  next: tryLater,
});

export const createEndlessFault = (seconds: number): UpstreamFault => ({
  kind: "cut",
  message: `The model's server did not end its answer within ${seconds} s, so Wharf ended the request.`,
  note: noteRetries,
  next: tryLater,
});

export const createBrokenAnswerFault = (words: string | undefined): UpstreamFault => ({
  kind: "failing",
  message: `The model's server ended a response with an error${formatQuote(words)}.`,
  note: noteRetries,
  next: tryLater,
});

export const createGarbageFault = (upstream: UpstreamNames): UpstreamFault => ({
  kind: "garbage",
  message: `The server at ${upstream.origin} does not respond like a model's server.`,
  note: formatAddressNote(upstream),
  next: formatAddressAdvice(upstream),
});

/** Creates the fault for a key that cannot be read. `error` is a sentence without the key. */
export const createKeyFault = ({ origin, keyDescription }: UpstreamNames, error: string): UpstreamFault => ({
  kind: "key",
  message: `${error} It is ${keyDescription.name}, for the model's server at ${origin}.`,
  next: keyDescription.advice,
});

/** Describes that another upstream is asked because of a fault. */
export const toSwitchFault = (fault: UpstreamFault, from: UpstreamNames, to: UpstreamNames): UpstreamFault => ({
  ...fault,
  note: `Wharf asks ${to.origin} instead of ${from.origin}.`,
});
