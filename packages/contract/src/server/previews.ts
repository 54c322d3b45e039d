import { z } from "zod";
import { PortNumber } from "../daemon/ports.ts";

/** A link to a port of a runner. */
export const Preview = z.object({
  /** Names the preview, and does not open it. */
  id: z.string(),
  /** Opens the port in a browser, for everybody who has the address, until it expires. */
  url: z.url(),
  runner_id: z.uuid(),
  port: PortNumber,
  expires_at: z.string(),
});
export type Preview = z.infer<typeof Preview>;

export const PreviewCreate = z.object({ port: PortNumber });
export const PreviewId = z.string().regex(/^[\w-]{43}$/, "the id of a preview");

/** The server answers these routes of workspaces itself. */
export const previewRoutes = {
  createPreview: {
    method: "POST",
    path: "/previews",
    summary: "Create a link that opens a port of the runner in a browser. The link ends with your login or token",
    body: PreviewCreate,
    status: 201,
    response: Preview,
    errors: ["preview_address_missing", "too_many_previews"],
  },
  deletePreview: {
    method: "DELETE",
    path: "/previews/:preview_id",
    summary: "End one of your links to a port of the runner",
    params: z.object({ preview_id: PreviewId }),
    status: 204,
    response: "none",
  },
} as const;
