import type { AccessErrors } from "./access-errors.ts";
import type { AgentErrors } from "./agent-errors.ts";
import type { BudgetErrors } from "./budget-errors.ts";
import type { CommandErrors } from "./command-errors.ts";
import type { EngineErrors } from "./engine-errors.ts";
import type { FileErrors } from "./file-errors.ts";
import type { JournalErrors } from "./journal-errors.ts";
import type { LoginErrors } from "./login-errors.ts";
import type { ModelErrors } from "./model-errors.ts";
import type { OidcErrors } from "./oidc-errors.ts";
import type { PasskeyErrors } from "./passkey-errors.ts";
import type { PreviewErrors } from "./preview-errors.ts";
import type { RepositoryErrors } from "./repository-errors.ts";
import type { RequestErrors } from "./request-errors.ts";
import type { RunnerErrors } from "./runner-errors.ts";
import type { ServerErrors } from "./server-errors.ts";
import type { TaskErrors } from "./task-errors.ts";
import type { TerminalErrors } from "./terminal-errors.ts";

/** The typed data of each error, so that its message can name the thing that failed. */
export interface ErrorContexts
  extends
    RequestErrors,
    AccessErrors,
    LoginErrors,
    OidcErrors,
    PasskeyErrors,
    TaskErrors,
    AgentErrors,
    ModelErrors,
    BudgetErrors,
    RepositoryErrors,
    RunnerErrors,
    CommandErrors,
    FileErrors,
    TerminalErrors,
    PreviewErrors,
    JournalErrors,
    EngineErrors,
    ServerErrors {}

export type ErrorCode = keyof ErrorContexts;
