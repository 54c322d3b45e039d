import type { Event } from "@wharf/contract";

const frames = new WeakMap<Event, Buffer>();

/** An event as JSON. It is made once, however many viewers it is sent to. */
export function encodeEvent(event: Event): Buffer {
  const cachedFrame = frames.get(event);
  if (cachedFrame) return cachedFrame;
  const frame = Buffer.from(JSON.stringify(event));
  frames.set(event, frame);
  return frame;
}
