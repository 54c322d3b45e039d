export { ConfirmDialog } from "./confirm-dialog.tsx";
export { PageDialog } from "./page-dialog.tsx";
