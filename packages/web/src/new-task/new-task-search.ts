import { z } from "zod";

/** The board on which the task is created; by default the first one. */
export const NewTaskSearch = z.object({ board: z.string().optional().catch(undefined) });
