import type { ModelRoute, UpstreamFault } from "../../context.ts";
import type { OnSecret } from "../../secrets/index.ts";
import { orderByWeight } from "./order-by-weight.ts";
import { Rests } from "./rests.ts";
import { Upstream } from "./upstream.ts";

/** A request is sent to at most this many upstreams. */
const maxAttempts = 3;

/** How long an upstream rests after a fault if it does not say so itself. */
const restMs: Readonly<Partial<Record<UpstreamFault["kind"], number>>> = {
  limited: 30_000,
  failing: 10_000,
  unreachable: 10_000,
  silent: 30_000,
  key: 30_000,
};
/** These faults concern all models of an upstream. */
const generalFaults: ReadonlySet<UpstreamFault["kind"]> = new Set(["unreachable", "key"]);

interface Asker {
  readonly runId: string;
  readonly organizationId?: string | undefined;
  readonly model?: string | undefined;
}

/** The upstreams of one route, and which of them rest. */
export class RouteUpstreams {
  readonly #upstreams: readonly Upstream[];
  readonly #rests = new Rests();

  constructor(name: string, { upstreams }: ModelRoute, onKey?: OnSecret) {
    this.#upstreams = upstreams.map((upstream) => new Upstream(upstream, name, onKey));
  }

  /** Whether an organisation has an upstream. */
  serves(organizationId: string | undefined): boolean {
    return this.#getUsable(organizationId).length > 0;
  }

  /**
   * Returns the upstreams to ask, in this order. Upstreams that rest are left out; if all rest, the
   * one whose rest ends first is asked, so that the agent gets the provider's own answer.
   */
  choose({ runId, organizationId, model }: Asker): readonly Upstream[] {
    const ordered = orderByWeight(runId, this.#getUsable(organizationId)).map((upstream) => ({
      upstream,
      restEnd: this.#rests.getEnd({ upstream: upstream.id, model }) ?? 0,
    }));
    const awake = ordered.filter(({ restEnd }) => restEnd === 0);
    const chosen = awake.length > 0 ? awake : ordered.toSorted((a, b) => a.restEnd - b.restEnd).slice(0, 1);
    return chosen.slice(0, maxAttempts).map(({ upstream }) => upstream);
  }

  /** Lets an upstream rest after a fault for which another upstream may help. */
  reportFault({ id }: Upstream, { kind, reset_at }: UpstreamFault, model: string | undefined): void {
    const defaultMs = restMs[kind];
    if (defaultMs === undefined) return;
    const rest = generalFaults.has(kind) ? { upstream: id } : { upstream: id, model };
    this.#rests.begin(rest, reset_at ? Date.parse(reset_at) : Date.now() + defaultMs);
  }

  reportAnswer({ id }: Upstream, model: string | undefined): void {
    this.#rests.end({ upstream: id, model });
  }

  /** An organisation with upstreams of its own uses only those. */
  #getUsable(organizationId: string | undefined): readonly Upstream[] {
    const ownUpstreams = this.#upstreams.filter(
      ({ organizations }) => organizationId !== undefined && organizations.includes(organizationId),
    );
    return ownUpstreams.length > 0
      ? ownUpstreams
      : this.#upstreams.filter(({ organizations }) => organizations.length === 0);
  }
}
