/** Who asks. The wire attributes a request to a runner; the caller looks the rest up for each request. */
export interface GatewayContext {
  readonly runner_id: string;
  /** The run that works in it, or the runner itself where a person created it. */
  readonly run_id: string;
  /** The task of the run. */
  readonly task_id?: string;
  /** The run's token: a second proof after the wire, which requests to models must carry. */
  readonly token: string;
  /** The only mirror it may use. */
  readonly repository_id?: string;
  /** The only branch it may push, beneath `shadow/`. */
  readonly shadow_branch?: string;
  /** The only model route it may use. */
  readonly model_route?: string;
}

export interface ModelUsage {
  readonly route: string;
  readonly status: number;
  readonly request_id: string;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly duration_ms: number;
  /** The whole answer came from the model's server and was handed to the runner. */
  readonly complete: boolean;
  /** It was a model's answer, and the model's server did not break it off. */
  readonly answered: boolean;
}

/** What is wrong with a model's server, in words for a person. */
export interface UpstreamFault {
  readonly kind:
    | "key"
    | "forbidden"
    | "limited"
    | "refused"
    | "moved"
    | "failing"
    | "unreachable"
    | "slow"
    | "silent"
    | "cut"
    | "garbage";
  readonly message: string;
  /** What to know while the agent is at work. */
  readonly note?: string;
  /** What to do when the agent has failed by it. */
  readonly next: string;
}

/** Told how one request for an answer comes out. */
export interface AnswerWatch {
  /** The model's server has sent nothing for a while; the request goes on. */
  slow(fault: UpstreamFault): void;
  /** Called once, before the runner can see the end. With neither, the runner itself left the request. */
  end(outcome: { readonly answered: boolean; readonly fault?: UpstreamFault }): void;
}

export interface PushedRef {
  readonly ref: string;
  readonly sha: string;
  readonly old_sha?: string;
}

export interface GatewayHooks {
  /**
   * The mirror took a push. The runner's `git push` ends after this has settled. When the server dies in between it is
   * not called again: compare the mirror's `head()` when a turn ends.
   */
  pushed(context: GatewayContext, push: PushedRef): Promise<void>;
  denied(context: GatewayContext, what: { host: string; reason: string }): void;
  modelRequest(context: GatewayContext, use: ModelUsage): void;
  /** A run asks a model for an answer; requests that count tokens or list models are not watched. */
  watchAnswer?(context: GatewayContext): AnswerWatch;
}

export interface ModelRoute {
  readonly api: "gemini" | "anthropic" | "openai";
  readonly base_url: string;
  readonly key: string;
}

export interface GatewayLogger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
