interface ToolCall {
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** One answer of the model. */
export interface Step {
  readonly thought?: string;
  readonly text?: string;
  readonly toolCalls?: readonly ToolCall[];
  /** Before the first byte. */
  readonly delayMs?: number;
  /** Between two pieces of text. */
  readonly pieceDelayMs?: number;
  /** Waited for when the text has been sent, before what follows it. */
  readonly hold?: Promise<unknown>;
  /**
   * Half of the text and all tool calls are sent, and then the end is missing: the connection is reset (`true`) or the
   * body ends in good order without a finish reason (`"clean"`).
   */
  readonly cut?: boolean | "clean";
  readonly finish?: "stop" | "length" | "refusal";
  /** Refuses with this HTTP status in the API's error form instead of answering. */
  readonly status?: number;
  readonly message?: string;
  /** Headers of such a refusal. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** One message of a conversation, in one form for all APIs. */
export interface Said {
  readonly from: "user" | "model";
  readonly text: string;
  /** Results of tools, as text. */
  readonly results: readonly string[];
}

export const lastPrompt = (conversation: readonly Said[]): string =>
  conversation.findLast(({ from, text }) => from === "user" && text !== "")?.text ?? "";

/** What came back from the tools that the model called last. */
export const lastResults = (conversation: readonly Said[]): string[] =>
  conversation.slice(conversation.findLastIndex(({ from }) => from === "model") + 1).flatMap(({ results }) => results);

/** What was asked of the model, in one form for all APIs; `body` is the request as it came. */
export interface ModelRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** Absent where the request was refused before it was understood. */
  readonly model?: string;
  readonly operation?: "generate" | "stream" | "count";
  readonly conversation?: readonly Said[];
  /** Text of the last message of the user. */
  readonly prompt?: string;
  readonly instructions?: string;
  /** Names of the declared tools. */
  readonly tools?: readonly string[];
  /** Results in the last message, as text. */
  readonly toolResults?: readonly string[];
  /** HTTP status that was answered. */
  readonly status: number;
}

export type Script = readonly Step[] | ((request: ModelRequest) => Step | Promise<Step>);

/** Gives the steps of a script one by one. */
export class Player {
  #position = 0;
  readonly #script: Script;

  constructor(script: Script) {
    this.#script = script;
  }

  async next(request: ModelRequest): Promise<Step> {
    if (typeof this.#script === "function") return this.#script(request);
    const step = this.#script[this.#position++];
    return step ?? { status: 500, message: `The script has ${this.#script.length} steps and was asked for one more.` };
  }
}

const pieceCharacters = 12;

/** Text in the small pieces a model streams; only half of it where the step is cut. */
export function pieces(step: Step): string[] {
  const text = step.text ?? "";
  const sent = step.cut ? text.slice(0, Math.ceil(text.length / 2)) : text;
  return Array.from({ length: Math.ceil(sent.length / pieceCharacters) }, (_, index) =>
    sent.slice(index * pieceCharacters, (index + 1) * pieceCharacters),
  );
}

/** About four characters make a token. */
export const tokens = (value: unknown): number =>
  Math.ceil((typeof value === "string" ? value : JSON.stringify(value ?? "")).length / 4);
