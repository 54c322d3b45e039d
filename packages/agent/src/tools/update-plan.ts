import { z } from "zod";
import { createTool } from "./tool.ts";

export const updatePlan = createTool({
  name: "update_plan",
  description: "Shows your plan to the user. Send the complete list each time, with at most one entry in progress.",
  kind: "think",
  input: z.object({
    entries: z
      .array(
        z.object({
          content: z.string().min(1).max(500),
          status: z.enum(["pending", "in_progress", "completed"]),
          priority: z.enum(["high", "medium", "low"]).default("medium"),
        }),
      )
      .min(1)
      .max(50),
  }),
  title: () => "Update the plan",
  async run({ entries }, { session }) {
    await session.show({ sessionUpdate: "plan", entries });
    return { text: "The plan was updated." };
  },
});
