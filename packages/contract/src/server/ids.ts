import { z } from "zod";

const template = "00000000-0000-0000-0000-000000000000";
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const minLength = 8;

/** An id, or an unambiguous prefix of one. The pattern admits no SQL wildcards. */
export const ShortId = z
  .string()
  .min(minLength)
  .max(template.length)
  .refine(
    (text) => uuid.test(text + template.slice(text.length)),
    `an id, or at least its first ${minLength} characters`,
  );

/** The parameters of paths that name a task or a runner. */
export const taskParams = z.object({ task_id: ShortId });
export const runnerParams = z.object({ runner_id: ShortId });
