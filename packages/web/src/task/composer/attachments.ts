import type { Attachment } from "@wharf/client";

/** Reads a file as it is sent with a prompt. */
export async function readAttachment(file: File): Promise<Attachment> {
  const data = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result as string));
    reader.addEventListener("error", () => reject(reader.error ?? new Error(`${file.name} cannot be read`)));
    reader.readAsDataURL(file);
  });
  return {
    name: file.name,
    mime_type: file.type.split(";")[0] || "application/octet-stream",
    data: data.slice(data.indexOf(",") + 1),
  };
}
