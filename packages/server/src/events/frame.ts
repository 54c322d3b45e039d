import type { Event } from "@wharf/contract";

const frames = new WeakMap<Event, Buffer>();

/** An event as JSON. It is made once, however many viewers it is sent to. */
export function encodeEvent(event: Event): Buffer {
  const known = frames.get(event);
  if (known) return known;
  const frame = Buffer.from(JSON.stringify(event));
  frames.set(event, frame);
  return frame;
}
