import { z } from "zod";

/**
 * A task is a piece of work that a person requests. BLOCKED: the agent waits for a person, or for
 * the limit of its model's provider. REVIEW: a turn ended and is not accepted yet.
 */
export const TaskState = z.enum(["TODO", "IN_PROGRESS", "BLOCKED", "REVIEW", "COMPLETED", "FAILED", "CANCELLED"]);
export type TaskState = z.infer<typeof TaskState>;

/** A run is one attempt of an agent at a task. */
export const RunStatus = z.enum(["PENDING", "STARTING", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "STOPPED"]);
export type RunStatus = z.infer<typeof RunStatus>;

/** The named steps inside STARTING, in order; people see them as progress. */
export const runPhases = ["provision", "connect", "clone", "branch", "setup", "agent"] as const;
export const RunPhase = z.enum(runPhases);
export type RunPhase = z.infer<typeof RunPhase>;

/** A turn is one prompt and all that the agent does until it answers. */
export const TurnState = z.enum(["QUEUED", "RUNNING", "ENDED", "CANCELLED", "INTERRUPTED"]);
export type TurnState = z.infer<typeof TurnState>;

export const RunnerState = z.enum(["CREATING", "READY", "STOPPED", "DESTROYED", "ERROR"]);
export type RunnerState = z.infer<typeof RunnerState>;

export const BackendName = z.enum(["local", "docker", "kubernetes", "microvm", "mock"]);
export type BackendName = z.infer<typeof BackendName>;

/**
 * How strongly a runner is separated from its host. `unsafe`: a plain process with its owner's
 * access. `unenforced`: a container whose network lets traffic through that it is configured to
 * block.
 */
export const Isolation = z.enum(["sandbox", "container", "vm", "unsafe", "unenforced"]);
export type Isolation = z.infer<typeof Isolation>;

/**
 * The protocol of an agent's program: the Agent Client Protocol, JSON lines of the six event types,
 * or plain text.
 */
export const AgentProtocol = z.enum(["acp", "json-lines", "text"]);
export type AgentProtocol = z.infer<typeof AgentProtocol>;

/** The actions that an agent may take without asking a person. */
export const PermissionPolicy = z.enum(["ask", "allow-edits", "allow-all"]);
export type PermissionPolicy = z.infer<typeof PermissionPolicy>;

/** The policy for an interrupted turn whose progress is unknown. */
export const InterruptPolicy = z.enum(["ask", "continue"]);
export type InterruptPolicy = z.infer<typeof InterruptPolicy>;

/** What a budget limits: all requests, or those of a day or a month in UTC. */
export const BudgetPeriod = z.enum(["total", "day", "month"]);
export type BudgetPeriod = z.infer<typeof BudgetPeriod>;

/**
 * What happens at the limit: a line in the log; or requests are refused and the task waits; or the
 * run ends.
 */
export const BudgetAction = z.enum(["warn", "pause", "stop"]);
export type BudgetAction = z.infer<typeof BudgetAction>;

/** What a budget is for. */
export const BudgetScope = z.enum(["organization", "board", "user", "task"]);
export type BudgetScope = z.infer<typeof BudgetScope>;
