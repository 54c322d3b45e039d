export { FilesPane } from "./files-pane.tsx";
