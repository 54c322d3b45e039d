export { ActionButton } from "./action-button.tsx";
export { CopyButton } from "./copy-button.tsx";
export { Problem } from "./problem.tsx";
export { useAction } from "./use-action.ts";
