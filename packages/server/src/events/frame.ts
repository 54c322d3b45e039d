import type { Event } from "@wharf/contract";

const frames = new WeakMap<Event, Buffer>();

/** Encodes an event as JSON, once for all of its viewers. */
export function encodeEvent(event: Event): Buffer {
  const cachedFrame = frames.get(event);
  if (cachedFrame) return cachedFrame;
  const frame = Buffer.from(JSON.stringify(event));
  frames.set(event, frame);
  return frame;
}
