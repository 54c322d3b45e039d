import type { DeniedHost, EventData } from "@wharf/contract";
import type { Logger } from "pino";
import type { AuditLog } from "../../audit/index.ts";
import type { Log } from "../../events/index.ts";
import { formatTarget, type GatewayContext, type GatewayHooks, type RunnerNames } from "../../gateway/index.ts";
import type { KnownSecrets } from "../../redaction/index.ts";
import type { HostTraffic } from "../../usage/index.ts";
import type { BudgetGuard } from "./budget-guard.ts";
import { DenialLogLimiter } from "./denial-log-limiter.ts";
import type { ModelHealth } from "./model-health.ts";
import { RecentRuns } from "./recent-runs.ts";

/**
 * Delay before the gateway's events are written together, so that no answer of a model waits for
 * the database.
 */
const writeDelayMs = 100;
/** Events of one transaction: short enough for one insert, and for other writers of the task. */
const maxEventsPerWrite = 500;

interface LogEntry {
  readonly run_id: string;
  readonly data: EventData;
}

/** A denial that a person can end with an entry of an allow-list. */
type AllowableDenial = Pick<DeniedHost, "entry" | "allows_private" | "reason">;

export interface GatewayHooksOptions {
  readonly log: Log;
  readonly logger: Logger;
  /** A runner chooses hosts, references and names of models, so they may contain secrets. */
  readonly secrets: KnownSecrets;
  readonly modelHealth: ModelHealth;
  readonly ledger?: Pick<BudgetGuard, "reserve">;
  readonly hostTraffic?: Pick<HostTraffic, "add">;
  readonly audit?: Pick<AuditLog, "countCredentialUse">;
  /** Remembers a host that a person may allow. */
  readonly recordDenial: (taskId: string, denial: AllowableDenial) => Promise<void>;
}

/**
 * Writes the gateway's events into the task's log: denials, model usage, and faults of model
 * servers.
 */
export function createGatewayHooks({
  log,
  logger,
  secrets,
  modelHealth,
  ledger,
  hostTraffic,
  audit,
  recordDenial,
}: GatewayHooksOptions): Required<Pick<GatewayHooks, "redacted">> & GatewayHooks & AsyncDisposable {
  const denials = new DenialLogLimiter();
  const redacted = new RecentRuns<Set<string>>(() => new Set());
  const pendingByTask = new Map<string, LogEntry[]>();
  const writers = new Map<string, Promise<void>>();
  let timer: NodeJS.Timeout | undefined;

  const writeTaskEvents = async (taskId: string) => {
    for (let lines = pendingByTask.get(taskId); lines; lines = pendingByTask.get(taskId)) {
      const events = lines.splice(0, maxEventsPerWrite);
      if (lines.length === 0) pendingByTask.delete(taskId);
      await log
        .write(({ append }) => append(taskId, events))
        .catch((error: unknown) => logger.warn({ error, task_id: taskId }, "could not log the gateway's events"));
    }
  };
  /** Runs one writer per task, so that its lines stay in order. */
  const writeAllEvents = async () => {
    timer = undefined;
    for (const taskId of pendingByTask.keys()) {
      if (writers.has(taskId)) continue;
      writers.set(
        taskId,
        writeTaskEvents(taskId).finally(() => writers.delete(taskId)),
      );
    }
    await Promise.all(writers.values());
  };
  const enqueueEvent = ({ runner_id, task_id, run_id }: RunnerNames, data: EventData) => {
    if (task_id === undefined) return logger.info({ runner_id, ...data }, "gateway event of a standalone runner");
    const lines = pendingByTask.get(task_id) ?? [];
    pendingByTask.set(task_id, lines);
    lines.push({ run_id, data: secrets.redactJson(data) });
    timer ??= setTimeout(() => void writeAllEvents(), writeDelayMs);
  };

  const saveDenial = (taskId: string, denial: AllowableDenial) =>
    void recordDenial(taskId, secrets.redactJson(denial)).catch((error: unknown) =>
      logger.warn({ error, task_id: taskId }, "could not save a denied host"),
    );

  const countUse: NonNullable<GatewayHooks["credentialUse"]> = (context, credential) => {
    const { organization_id, run_id, runner_id, task_id } = context;
    const actor = { kind: run_id === runner_id ? ("runner" as const) : ("agent" as const), id: run_id };
    const details = task_id === undefined ? { runner: runner_id } : { task: task_id };
    audit?.countCredentialUse({ organization_id, actor, credential, details });
  };

  const logModelNotice = (context: GatewayContext, message: string | undefined) => {
    if (message === undefined) return;
    enqueueEvent(context, { kind: "notice", message });
    const { run_id, task_id, model_route } = context;
    logger.warn({ run_id, task_id, model_route }, message);
  };

  return {
    async pushed(context, push) {
      logger.debug({ run_id: context.run_id, ...push }, "a mirror accepted a push");
    },
    denied(context, { host, reason, entry, allows_private = false }) {
      const outcome = denials.classifyDenial(context.run_id, `${host}: ${reason}`);
      if (outcome === "list") {
        enqueueEvent(context, { kind: "denied", host, reason, ...(entry !== undefined && { entry, allows_private }) });
        if (entry !== undefined && context.task_id !== undefined)
          saveDenial(context.task_id, { entry, allows_private, reason });
      } else if (outcome === "close")
        enqueueEvent(context, { kind: "notice", message: "Further denials of this run are not listed." });
    },
    redacted(context, { secret, where }) {
      const known = redacted.get(context.run_id);
      if (known.has(`${where} ${secret}`)) return;
      known.add(`${where} ${secret}`);
      const source = where === "events" ? "the agent's output" : "what people read from the runner";
      const message = `Wharf removed a secret from ${source}: ${secret}.`;
      enqueueEvent(context, { kind: "notice", message });
      logger.warn({ run_id: context.run_id, task_id: context.task_id, secret, where }, "removed a secret");
    },
    credentialUse: countUse,
    modelRequest(context, use) {
      if (use.upstream !== undefined) countUse(context, { kind: "model_route", name: use.route });
      const wallSeconds = use.duration_ms / 1000;
      enqueueEvent(context, {
        kind: "usage",
        source: "gateway",
        model_requests: 1,
        wall_seconds: wallSeconds,
        raw: use,
      });
    },
    ...(hostTraffic && {
      hostUse: ({ runner_id, task_id }, { name, port, bytes_in, bytes_out, ended }) =>
        hostTraffic.add(
          secrets.redactJson({
            runner_id,
            ...(task_id !== undefined && { task_id }),
            host: formatTarget({ name, port }),
            bytes_in,
            bytes_out,
            ended,
          }),
        ),
    }),
    ...(ledger && { reserveRequest: (context, request) => ledger.reserve(context, secrets.redactJson(request)) }),
    watchAnswer(context) {
      modelHealth.beginRequest(context.run_id);
      return {
        slow: (fault) => logModelNotice(context, modelHealth.getFaultNotice(context.run_id, fault)),
        switched: (fault) => logModelNotice(context, modelHealth.getSwitchNotice(context.run_id, fault)),
        end: (outcome) => logModelNotice(context, modelHealth.endRequest(context.run_id, outcome)),
      };
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      await writeAllEvents();
    },
  };
}
