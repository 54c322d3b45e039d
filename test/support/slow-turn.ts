import type { Event } from "@wharf/contract";

const steps = Array.from({ length: 10 }, (_, i) => `step ${i + 1}`);

/** A turn of about three seconds, which a test interrupts between its steps. */
export const slowTurn = {
  steps,
  prompt: [
    ...steps.flatMap((step) => [`demo: say ${step}`, "demo: sleep 300ms"]),
    "demo: write done.txt yes",
    "demo: say done",
  ].join("\n"),
  /** The agent's complete text. */
  text: [...steps, "wrote done.txt", "done", ""].join("\n"),
};

export const isAgentText = ({ data }: Event): boolean => data.kind === "message" && data.role === "agent";
