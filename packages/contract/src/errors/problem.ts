import { z } from "zod";

/** An error on the wire: problem+json with Wharf's code and the next step. */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    detail: z.string(),
    code: z.string(),
    next: z.string(),
    context: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({
    examples: [
      {
        type: "urn:wharf:error:task_not_found",
        title: "task not found",
        status: 404,
        detail: "There is no task '5f0c7a2e'.",
        code: "task_not_found",
        next: "Check the id: `wharf task ls` lists your tasks.",
        context: { id: "5f0c7a2e" },
      },
    ],
  });
export type Problem = z.infer<typeof Problem>;
