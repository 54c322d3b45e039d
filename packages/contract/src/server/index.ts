import { agentTypeTestsApi } from "./agent-type-tests.ts";
import { agentTypesApi } from "./agent-types.ts";
import { allowedHostsApi } from "./allowed-hosts.ts";
import { assigneesApi } from "./assignees.ts";
import { auditApi } from "./audit.ts";
import { boardsApi } from "./boards.ts";
import { budgetsApi } from "./budgets.ts";
import { commentsApi } from "./comments.ts";
import { dependenciesApi } from "./dependencies.ts";
import { hostUsageApi } from "./host-usage.ts";
import { loginsApi } from "./logins.ts";
import { logsApi } from "./logs.ts";
import { orchestratorApi } from "./orchestrator.ts";
import { passkeysApi } from "./passkeys.ts";
import { peopleApi } from "./people.ts";
import { queueApi } from "./queue.ts";
import { repositoriesApi } from "./repositories.ts";
import { resourceUsageApi } from "./resource-usage.ts";
import { runLimitsApi } from "./run-limits.ts";
import { runnerCommandsApi } from "./runner-commands.ts";
import { runnerFilesApi } from "./runner-files.ts";
import { runnerTerminalsApi } from "./runner-terminals.ts";
import { runnersApi } from "./runners.ts";
import { runsApi } from "./runs.ts";
import { taskSearchApi } from "./search.ts";
import { serverSettingsApi } from "./server-settings.ts";
import { streamsApi } from "./streams.ts";
import { systemApi } from "./system.ts";
import { taskArchiveApi } from "./task-archive.ts";
import { tasksApi } from "./tasks.ts";
import { templatesApi } from "./templates.ts";
import { turnsApi } from "./turns.ts";
import { usageApi } from "./usage.ts";
import { workspaceInfoApi } from "./workspace-info.ts";

export * from "./agent-type-tests.ts";
export * from "./agent-types.ts";
export * from "./allowed-hosts.ts";
export * from "./assignees.ts";
export * from "./audit.ts";
export * from "./boards.ts";
export * from "./budgets.ts";
export * from "./comments.ts";
export * from "./dependencies.ts";
export * from "./host-usage.ts";
export * from "./ids.ts";
export * from "./logins.ts";
export * from "./logs.ts";
export * from "./orchestrator.ts";
export * from "./paging.ts";
export * from "./passkeys.ts";
export * from "./people.ts";
export * from "./previews.ts";
export * from "./queue.ts";
export * from "./repositories.ts";
export * from "./resource-usage.ts";
export * from "./run-limits.ts";
export * from "./runner-commands.ts";
export * from "./runner-files.ts";
export * from "./runner-terminals.ts";
export * from "./runners.ts";
export * from "./runs.ts";
export * from "./search.ts";
export * from "./server-settings.ts";
export * from "./streams.ts";
export * from "./system.ts";
export * from "./task.ts";
export * from "./task-archive.ts";
export * from "./task-lists.ts";
export * from "./tasks.ts";
export * from "./templates.ts";
export * from "./turns.ts";
export * from "./usage-csv.ts";
export * from "./usage.ts";
export * from "./workspace-info.ts";
export * from "./versions.ts";
export * from "./workspace.ts";

/** The server's REST routes for tasks, runs and the server itself. */
export const api = {
  ...boardsApi,
  ...tasksApi,
  ...taskArchiveApi,
  ...dependenciesApi,
  ...commentsApi,
  ...assigneesApi,
  ...templatesApi,
  ...turnsApi,
  ...runsApi,
  ...agentTypesApi,
  ...agentTypeTestsApi,
  ...allowedHostsApi,
  ...orchestratorApi,
  ...logsApi,
  ...taskSearchApi,
  ...repositoriesApi,
  ...queueApi,
  ...runLimitsApi,
  ...loginsApi,
  ...streamsApi,
  ...systemApi,
  ...serverSettingsApi,
  ...passkeysApi,
  ...peopleApi,
  ...usageApi,
  ...workspaceInfoApi,
  ...budgetsApi,
  ...resourceUsageApi,
  ...hostUsageApi,
  ...auditApi,
} as const;

/** The server's REST routes for runners and what is in them. */
export const runnerApi = {
  ...runnersApi,
  ...runnerCommandsApi,
  ...runnerFilesApi,
  ...runnerTerminalsApi,
} as const;
