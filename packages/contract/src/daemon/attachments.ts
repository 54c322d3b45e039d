import { z } from "zod";

/** Files that come with one prompt, and what they weigh together. */
export const maxAttachments = 20;
export const maxAttachmentBytes = 10 * 1024 * 1024;

/** A file that comes with a prompt. Its name is a name and no path. */
export const Attachment = z.object({
  name: z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^/\\\p{Cc}]+$/u, "a file's name, without a folder")
    .refine((name) => name !== "." && name !== "..", "a file's name"),
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
    `no more than ${maxAttachmentBytes} bytes together`,
  );
export type Attachments = z.infer<typeof Attachments>;

/** What base64 stands for, in bytes. */
export function getDecodedBytes(base64: string): number {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return (base64.length / 4) * 3 - padding;
}
