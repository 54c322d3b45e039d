const frames = new WeakMap<object, Buffer>();

/** Encodes a message as JSON, once for all of its viewers. */
export function encodeFrame(message: object): Buffer {
  const cachedFrame = frames.get(message);
  if (cachedFrame) return cachedFrame;
  const frame = Buffer.from(JSON.stringify(message));
  frames.set(message, frame);
  return frame;
}
