import { useSuspenseQuery } from "@tanstack/react-query";
import { queries } from "../api/index.ts";

/**
 * What the person may do, as far as their role in the organization says. The server also knows
 * their role on the board, and refuses with a sentence.
 */
export function usePermissions() {
  const { data } = useSuspenseQuery(queries.whoami);
  const permissions = new Set<string>(data.permissions);
  return {
    username: data.user.username,
    canPrompt: permissions.has("task:prompt"),
    canChangeTask: permissions.has("task:write"),
    canComment: permissions.has("task:comment"),
    canChangeFiles: permissions.has("workspace:write"),
    canReadFiles: permissions.has("workspace:read"),
    canUseTerminals: permissions.has("workspace:exec"),
    canSeeUsage: permissions.has("usage:read"),
  };
}
