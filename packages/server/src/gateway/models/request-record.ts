import type { ModelRequest, RequestOutcome, Reservation } from "../../usage/index.ts";
import type { GatewayContext, GatewayHooks, ModelCall } from "../context.ts";

/** How long the end of an answer waits for the database. */
const maxSettleMs = 30_000;

type RecordedRequest = Pick<ModelRequest, "requestId" | "route" | "api" | "bodyBytes">;

/**
 * The record of one request: it is made before the request is forwarded, and completed once, with
 * the first end that is reported. Only requests for answers and embeddings have one.
 */
export class RequestRecord {
  readonly #reservation: Reservation;
  readonly #startedAt = performance.now();

  private constructor(reservation: Reservation) {
    this.#reservation = reservation;
  }

  static async create(
    { context, hooks }: { readonly context: GatewayContext; readonly hooks: GatewayHooks },
    call: ModelCall,
    request: RecordedRequest,
  ): Promise<RequestRecord | undefined> {
    const { kind, model, max_output_tokens } = call;
    if (kind !== "answer" && kind !== "embedding") return undefined;
    const reservation = await hooks.reserveRequest?.(context, {
      ...request,
      kind,
      model,
      maxOutputTokens: max_output_tokens,
    });
    return reservation && new RequestRecord(reservation);
  }

  /** Resolves when the end is recorded; rejects if that takes too long. */
  async complete(outcome: Omit<RequestOutcome, "durationMs">): Promise<void> {
    const durationMs = performance.now() - this.#startedAt;
    const settled = this.#reservation.settle({ ...outcome, durationMs });
    const expiry = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => expiry.reject(new Error("the end of the request could not be recorded")),
      maxSettleMs,
    );
    try {
      await Promise.race([settled, expiry.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
