interface ToolCall {
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** An answer of the model. */
export interface Step {
  readonly thought?: string;
  readonly text?: string;
  readonly toolCalls?: readonly ToolCall[];
  /** Delay before the first byte. */
  readonly delayMs?: number;
  /** Delay between two pieces of text. */
  readonly pieceDelayMs?: number;
  /** The server awaits this promise after the text, before it sends the rest. */
  readonly hold?: Promise<unknown>;
  /**
   * Sends half of the text and all tool calls, but no end: the connection is reset (`true`), or the
   * body ends cleanly without a finish reason (`"clean"`).
   */
  readonly cut?: boolean | "clean";
  readonly finish?: "stop" | "length" | "refusal";
  /** Refuses with this HTTP status in the API's error format instead of answering. */
  readonly status?: number;
  readonly message?: string;
  /** Headers of the refusal. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A message of a conversation, in the same form for all APIs. */
export interface Said {
  readonly from: "user" | "model";
  readonly text: string;
  /** Results of tools, as text. */
  readonly results: readonly string[];
}

export const lastPrompt = (conversation: readonly Said[]): string =>
  conversation.findLast(({ from, text }) => from === "user" && text !== "")?.text ?? "";

/** Returns the results of the tools that the model called last. */
export const lastResults = (conversation: readonly Said[]): string[] =>
  conversation.slice(conversation.findLastIndex(({ from }) => from === "model") + 1).flatMap(({ results }) => results);

/** A request to the model, in the same form for all APIs; `body` is the original request. */
export interface ModelRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** Absent if the request was refused before it was parsed. */
  readonly model?: string;
  readonly operation?: "generate" | "stream" | "count";
  readonly conversation?: readonly Said[];
  /** Text of the user's last message. */
  readonly prompt?: string;
  readonly instructions?: string;
  /** Names of the declared tools. */
  readonly tools?: readonly string[];
  /** Tool results in the last message, as text. */
  readonly toolResults?: readonly string[];
  /** HTTP status of the answer. */
  readonly status: number;
}

export type Script = readonly Step[] | ((request: ModelRequest) => Step | Promise<Step>);

/** Returns the steps of a script one by one. */
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

/** Cuts text into the small pieces that a model streams; only half of it if the step is cut. */
export function pieces(step: Step): string[] {
  const text = step.text ?? "";
  const sent = step.cut ? text.slice(0, Math.ceil(text.length / 2)) : text;
  return Array.from({ length: Math.ceil(sent.length / pieceCharacters) }, (_, index) =>
    sent.slice(index * pieceCharacters, (index + 1) * pieceCharacters),
  );
}

/** Estimates tokens at about four characters each. */
export const tokens = (value: unknown): number =>
  Math.ceil((typeof value === "string" ? value : JSON.stringify(value ?? "")).length / 4);
