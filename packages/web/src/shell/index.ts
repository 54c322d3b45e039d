export { Failure } from "./failure.tsx";
export { NotFound } from "./not-found.tsx";
export { Shell } from "./shell.tsx";
