import { z } from "zod";

const offset = z.number();

/** The server's messages beside the bytes of the terminal, as far as the page shows them. */
export const TerminalControl = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("attached"),
    viewer_id: z.string(),
    terminal: z.object({ cols: z.number(), rows: z.number(), typist: z.string().nullish() }),
    can_type: z.boolean().default(true),
  }),
  z.object({ type: z.literal("offset"), offset }),
  z.object({ type: z.literal("gap"), from: offset, to: offset }),
  z.object({ type: z.literal("resize"), cols: z.number(), rows: z.number() }),
  z.object({ type: z.literal("notice"), notice: z.string() }),
  z.object({ type: z.literal("typist"), viewer_id: z.string().nullable(), user: z.string().nullable().default(null) }),
  z.object({ type: z.literal("refused"), what: z.string(), detail: z.string() }),
  z.object({ type: z.literal("detached"), offset, reason: z.string() }),
  z.object({ type: z.literal("exit"), exit_code: z.number().nullable(), signal: z.string().nullable() }),
]);
export type TerminalControl = z.infer<typeof TerminalControl>;

export const parseControl = (text: string): TerminalControl | undefined =>
  TerminalControl.safeParse(JSON.parse(text)).data;
