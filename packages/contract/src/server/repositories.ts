import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { pageQuery } from "./paging.ts";
import { repositoryUrl } from "./tasks.ts";

export const RepositoryBranches = z.object({
  default_branch: z.string().describe("the branch of a task that names none"),
  branches: z.array(z.string()).describe("the default branch first, then by name; branches of tasks are last"),
  has_more: z.literal(true).optional().describe("there are more branches than the limit: use `text`"),
});
export type RepositoryBranches = z.infer<typeof RepositoryBranches>;

/** What the server knows of repositories that tasks may name. */
export const repositoriesApi = {
  listRepositoryBranches: createEndpoint({
    needs: "task:create",
    method: "GET",
    path: "/api/v1/repositories/branches",
    summary: "List the branches of a repository from which a task can start. The server asks the repository's host",
    query: z.object({
      url: repositoryUrl,
      text: z.string().trim().max(250).optional().describe("only branches with this part in their name, in any case"),
      limit: pageQuery.limit,
    }),
    response: RepositoryBranches,
    // The server uses its login for the host.
    audit: "counted",
    errors: [
      "repository_refused",
      "repository_missing",
      "repository_auth",
      "repository_empty",
      "repository_unreachable",
      "repository_timeout",
      "git_credential_refused",
      "git_credential_unusable",
      "git_failed",
      "git_over_limit",
    ],
  }),
} as const;
