export { PreviewPane } from "./preview-pane.tsx";
