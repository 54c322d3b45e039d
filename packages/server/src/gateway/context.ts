import type { ModelRequest, Reservation, TokenUsage } from "../usage/index.ts";
import type { SecretPlace } from "./secrets/index.ts";

/** Whose runner it is. */
export interface RunnerNames {
  readonly runner_id: string;
  /** The run that uses the runner, or the runner's own id if a person created it. */
  readonly run_id: string;
  /** The task of the run. */
  readonly task_id?: string;
}

/**
 * The sender of a request. The wire maps a request to a runner; the caller looks up the other
 * fields for each request.
 */
export interface GatewayContext extends RunnerNames {
  /** The organisation and the agent type whose allow-lists apply. */
  readonly organization_id?: string;
  readonly agent_type?: string;
  /** The run's token: requests to models must carry it as a second proof besides the wire. */
  readonly token: string;
  /** The only mirror that the run may use. */
  readonly repository_id?: string;
  /** The only branch that the run may push, under `shadow/`. */
  readonly shadow_branch?: string;
  /** The only model route that the run may use. */
  readonly model_route?: string;
}

/** What a request asks of a model, as the gateway read it before it forwarded the request. */
export interface ModelCall {
  readonly kind: "answer" | "embedding" | "count" | "list";
  /** The model's name as the request spells it; undefined if the request names none. */
  readonly model?: string;
  /** The limit that the request sets for the output of all its answers together. */
  readonly max_output_tokens?: number;
  /** Whether the answer is a stream of events. */
  readonly streams: boolean;
  /** Whether the answer will contain the number of tokens. */
  readonly reports_usage: boolean;
}

export interface ModelUsage {
  readonly route: string;
  /** The origin of the last server that was asked, if any was. */
  readonly upstream?: string;
  /** Missing if the request could not be read. */
  readonly call?: ModelCall;
  /** Missing if the model's server did no work that a provider charges for. */
  readonly tokens?: TokenUsage;
  readonly status: number;
  readonly request_id: string;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly duration_ms: number;
  /** The model's server sent a complete answer and the runner received all of it. */
  readonly complete: boolean;
  /** The answer came from a model, and the model's server did not break it off. */
  readonly answered: boolean;
  /** When the limit that refused the request resets, if the provider says so. */
  readonly reset_at?: string;
}

/** A problem with a model's server, described for a person. */
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
  /** Advice that is shown while the agent is still running. */
  readonly note?: string;
  /** The next step for a person after the agent failed because of this fault. */
  readonly next: string;
  /** When the provider's limit resets, if its answer says so: a later prompt can succeed. */
  readonly reset_at?: string;
}

/** Observes the outcome of one request for an answer. */
export interface AnswerWatch {
  /** Called when the model's server has sent nothing for a while. The request continues. */
  slow(fault: UpstreamFault): void;
  /** Called when another upstream is asked because of a fault. The request continues. */
  switched(fault: UpstreamFault): void;
  /**
   * Called once, before the runner can see the end. If `answered` is false and there is no fault,
   * the runner itself ended the request.
   */
  end(outcome: { readonly answered: boolean; readonly fault?: UpstreamFault }): void;
}

export interface PushedRef {
  readonly ref: string;
  readonly sha: string;
  readonly old_sha?: string;
}

export interface Denial {
  readonly host: string;
  readonly reason: string;
  /** The entry of an allow-list that would allow it. */
  readonly entry?: string;
  /** Whether the entry must include addresses of a private network. */
  readonly allows_private?: boolean;
}

/** What a connection to a host has carried since the last report about it. */
export interface HostUse {
  readonly name: string;
  readonly port: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly duration_ms: number;
  /** Whether this is the last report about the connection. */
  readonly ended: boolean;
}

export interface GatewayHooks {
  /**
   * Called when the mirror has accepted a push. The runner's `git push` ends after this promise has
   * settled. The call is not repeated if the server dies in between: compare the mirror's `head()`
   * when a turn ends.
   */
  pushed(context: GatewayContext, push: PushedRef): Promise<void>;
  denied(context: GatewayContext, what: Denial): void;
  /**
   * Called at the end of each connection to a host of an allow-list, and from time to time while
   * it is open.
   */
  hostUse?(context: GatewayContext, use: HostUse): void;
  /** Called when a request gets a credential of the server. */
  credentialUse?(
    context: GatewayContext,
    credential: { readonly kind: "model_route" | "registry"; readonly name: string },
  ): void;
  /** Called when a known secret was removed from what a runner sent. */
  redacted?(context: RunnerNames, use: { readonly secret: string; readonly where: "events" | "answers" }): void;
  modelRequest(context: GatewayContext, use: ModelUsage): void;
  /**
   * Called before a request for an answer or an embedding is forwarded. If the promise rejects, the
   * request is refused.
   */
  reserveRequest?(context: GatewayContext, request: ModelRequest): Promise<Reservation>;
  /**
   * Called when a run asks a model for an answer. Requests that count tokens or list models are not
   * watched.
   */
  watchAnswer?(context: GatewayContext): AnswerWatch;
}

/** One server of a route, with its key. */
export interface ModelUpstream {
  /** May end with a version such as `/v1`. */
  readonly baseUrl: string;
  /** The setting that holds the address, as people know it. */
  readonly setting: string;
  /** Its share of the runs. An upstream of weight 0 is asked only if the others fail. */
  readonly weight: number;
  readonly key: SecretPlace;
  /** The only organisations that use it. If there are none, those without their own upstream do. */
  readonly organizations: readonly string[];
  /** How long it may take to begin an answer before another upstream is asked. */
  readonly timeoutMs?: number;
}

export interface ModelRoute {
  readonly api: "gemini" | "anthropic" | "openai";
  /** Patterns of the models that runs may use. If missing, they may use all. */
  readonly models?: readonly string[];
  readonly upstreams: readonly ModelUpstream[];
}

export interface GatewayLogger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
