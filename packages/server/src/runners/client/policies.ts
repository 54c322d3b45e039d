import { daemonApi, type Endpoint } from "@wharf/contract";
import { again, type RoutePolicy } from "./route-policy.ts";
import { toolPolicies } from "./tool-policies.ts";

/**
 * What is done about each of the daemon's routes when its runner is away: which may be asked again, and what is answered
 * when even that did not help. A record over all routes, so that a new one without an answer does not compile.
 */

export type { RoutePolicy } from "./route-policy.ts";
export type DaemonApi = typeof daemonApi;
export type RouteName = keyof DaemonApi;

const runsOn = "The run goes on by itself as soon as the runner is back.";

const core = {
  health: { retry: "always", away: "last_known", next: again },
  journal: {
    retry: "always",
    away: "refuse",
    next: "The task's log holds all that was read; it is read on from there as soon as the runner is back.",
  },
  ackJournal: {
    retry: "always",
    away: "refuse",
    next: "The journal is kept until it is acknowledged on the next wire.",
  },
  clone: { retry: "unanswered", away: "refuse", next: runsOn },
  push: {
    retry: "unanswered",
    away: "refuse",
    next: "The commit is in the workspace and is pushed as soon as the runner is back.",
  },
  diff: {
    retry: "always",
    away: "refuse",
    next: "What was pushed can be compared without the runner; the rest when it is back.",
  },
  exec: {
    retry: "never",
    away: "refuse",
    next: "It is not known how far the command got: look before you run it again.",
  },
  startAgent: { retry: "unanswered", away: "refuse", next: runsOn },
  prompt: { retry: "unanswered", away: "refuse", next: `${runsOn} The agent gets the prompt once.` },
  turn: { retry: "always", away: "refuse", next: runsOn },
  cancelTurn: { retry: "always", away: "refuse", next: "The turn is cancelled as soon as the runner is back." },
  answerPermission: {
    retry: "never",
    away: "refuse",
    next: "The answer is kept and given as soon as the runner is back.",
  },
  pauseAgent: { retry: "always", away: "refuse", next: "It is paused as soon as the runner is back." },
  resumeAgent: { retry: "always", away: "refuse", next: "It is resumed as soon as the runner is back." },
  setMode: { retry: "unanswered", away: "refuse", next: again },
  setModel: { retry: "unanswered", away: "refuse", next: again },
  stopAgent: {
    retry: "always",
    away: "refuse",
    next: "The agent ends with its runner, which the reconciler stops.",
  },
} satisfies Partial<Record<RouteName, RoutePolicy>>;

export const policies: Readonly<Record<RouteName, RoutePolicy>> = { ...toolPolicies, ...core };

const named = new Map<Endpoint, RouteName>(
  Object.entries(daemonApi).map(([name, route]) => [route, name as RouteName]),
);

/** A route that is not the daemon's is asked again only where its method says that this is harmless. */
export function policyOf(route: Endpoint): RoutePolicy {
  const name = named.get(route);
  if (name) return policies[name];
  return { retry: route.method === "GET" ? "always" : "never", away: "refuse", next: again };
}
