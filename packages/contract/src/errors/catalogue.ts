import { accessErrors } from "./access-errors.ts";
import { agentErrors } from "./agent-errors.ts";
import { budgetErrors } from "./budget-errors.ts";
import type { Catalogue } from "./catalogue-entry.ts";
import { commandErrors } from "./command-errors.ts";
import type { ErrorContexts } from "./contexts.ts";
import { engineErrors } from "./engine-errors.ts";
import { fileErrors } from "./file-errors.ts";
import { journalErrors } from "./journal-errors.ts";
import { loginErrors } from "./login-errors.ts";
import { modelErrors } from "./model-errors.ts";
import { oidcErrors } from "./oidc-errors.ts";
import { passkeyErrors } from "./passkey-errors.ts";
import { previewErrors } from "./preview-errors.ts";
import { repositoryErrors } from "./repository-errors.ts";
import { requestErrors } from "./request-errors.ts";
import { runnerErrors } from "./runner-errors.ts";
import { serverErrors } from "./server-errors.ts";
import { taskErrors } from "./task-errors.ts";
import { terminalErrors } from "./terminal-errors.ts";

/** Every error that Wharf reports: one code for each situation that a caller can act on. */
export const errorCatalogue: Catalogue<ErrorContexts> = {
  ...requestErrors,
  ...accessErrors,
  ...loginErrors,
  ...oidcErrors,
  ...passkeyErrors,
  ...taskErrors,
  ...agentErrors,
  ...modelErrors,
  ...budgetErrors,
  ...repositoryErrors,
  ...runnerErrors,
  ...commandErrors,
  ...fileErrors,
  ...terminalErrors,
  ...previewErrors,
  ...journalErrors,
  ...engineErrors,
  ...serverErrors,
};
