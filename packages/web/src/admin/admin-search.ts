import "../zod-without-eval.ts"; // the build may put this file into a chunk that runs before main.tsx
import { z } from "zod";

const text = z.string().optional().catch(undefined);
const day = z.iso.date().optional().catch(undefined);

/** Which entries of the audit log are shown, as the address has it. */
export const AdminSearch = z.object({
  actor: text,
  action: text,
  target: text,
  result: z.enum(["begun", "ok", "denied", "failed"]).optional().catch(undefined),
  /** The first and the last day. */
  from: day,
  to: day,
});
export type AdminSearch = z.infer<typeof AdminSearch>;
