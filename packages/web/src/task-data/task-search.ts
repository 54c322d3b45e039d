import { z } from "zod";

/**
 * The views of the task's page. Where there is room, the timeline is beside another one; on a phone
 * each is alone.
 */
export const Pane = z.enum(["timeline", "changes", "terminal", "files", "preview", "usage", "activity"]);
export type Pane = z.infer<typeof Pane>;

/** What the address says about the page, so that a link shows a colleague the same. */
export const TaskSearch = z.object({
  pane: Pane.optional().catch(undefined),
  /** The file that the changes or the files show. */
  file: z.string().max(4_096).optional().catch(undefined),
  /** The number of the turn whose changes are shown. */
  turn: z.coerce.number().int().min(1).optional().catch(undefined),
  /** The terminal that is shown. */
  terminal: z.uuid().optional().catch(undefined),
  /** The port that the preview shows. */
  port: z.coerce.number().int().min(1).max(65_535).optional().catch(undefined),
  /** The sequence of the newest event that the timeline and the activity show. */
  at: z.coerce.number().int().min(1).optional().catch(undefined),
});
export type TaskSearch = z.infer<typeof TaskSearch>;
