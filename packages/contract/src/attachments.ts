import { z } from "zod";

/** Limits on the files of one prompt: their number and their total size. */
export const maxAttachments = 20;
export const maxAttachmentBytes = 10 * 1024 * 1024;

/** A file that comes with a prompt. Its name must not be a path. */
export const Attachment = z.object({
  name: z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^/\\\p{Cc}]+$/u, "a file name without a folder")
    .refine((name) => name !== "." && name !== "..", "a file name"),
  mime_type: z
    .string()
    .max(200)
    .regex(/^[\w.+-]+\/[\w.+-]+$/, "a type such as image/png"),
  data: z.base64().max(Math.ceil(maxAttachmentBytes / 3) * 4),
});
export type Attachment = z.infer<typeof Attachment>;

export const Attachments = z
  .array(Attachment)
  .max(maxAttachments)
  .refine(
    (all) => all.reduce((sum, { data }) => sum + getDecodedBytes(data), 0) <= maxAttachmentBytes,
    `at most ${maxAttachmentBytes} bytes in total`,
  );
export type Attachments = z.infer<typeof Attachments>;

/** Computes the size in bytes of the data that a base64 text encodes. */
export function getDecodedBytes(base64: string): number {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return (base64.length / 4) * 3 - padding;
}
