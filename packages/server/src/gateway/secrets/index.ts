/**
 * Keys, tokens and passwords of the server, which may change while it runs: from a variable, a file
 * or the output of a command.
 */
export { createCommandEnvironment, variableName, VariableNames } from "./command-environment.ts";
export { runProgram } from "./run-program.ts";
export { absolutePath, CommandLine, SecretEntry, toSecretPlace } from "./secret-entry.ts";
export { describeSecretProblem, reportSecret, type SecretReport } from "./secret-report.ts";
export { createSecretSource, type OnSecret, Secret } from "./secret.ts";
export { parsePassword, parseToken, SecretError, type SecretPlace } from "./secret-source.ts";
