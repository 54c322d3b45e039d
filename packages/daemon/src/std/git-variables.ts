/**
 * Lets the git of agents and people use a workspace of any owner: a pod's volume belongs to
 * root and is shared with the runner's group, and git refuses a repository of another user.
 */
export const gitVariables: Readonly<Record<string, string>> = {
  GIT_CONFIG_COUNT: "1",
  GIT_CONFIG_KEY_0: "safe.directory",
  GIT_CONFIG_VALUE_0: "*",
};
