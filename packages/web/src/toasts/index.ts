export { Toasts } from "./toasts.tsx";
export { toasts } from "./toast-store.ts";
