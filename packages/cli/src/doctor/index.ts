/** The doctor checks what this machine can do for Wharf, and how to install what is missing. */
import { checkAgents, checkServer } from "./agents.ts";
import type { Check, DoctorContext } from "./check.ts";
import { checkDataFolder } from "./data-folder.ts";
import { checkDocker } from "./docker.ts";
import { checkLoginProvider } from "./login-provider.ts";
import { checkGitLogins, checkRegistryLogins } from "./logins.ts";
import { checkModelKeys } from "./model-keys.ts";
import { checkOrphans } from "./orphans.ts";
import { checkPostgres } from "./postgres.ts";
import { checkGit, checkNode, checkSandbox } from "./programs.ts";

export type { Check } from "./check.ts";

const checks = [
  checkNode,
  checkGit,
  checkGitLogins,
  checkRegistryLogins,
  checkLoginProvider,
  checkSandbox,
  checkDocker,
  checkPostgres,
  checkDataFolder,
  checkServer,
  checkOrphans,
  checkModelKeys,
  checkAgents,
];

export const runChecks = (surroundings: DoctorContext): Promise<Check[]> =>
  Promise.all(checks.map((check) => check(surroundings)));
