export { createPreloaded } from "./preload.ts";
