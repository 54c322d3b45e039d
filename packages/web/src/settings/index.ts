/** The parts of pages on which people change settings. */
export { ConfirmButton } from "./confirm-button.tsx";
export { Form, readField } from "./form.tsx";
export { Moment } from "./moments.tsx";
export { Row, Rows } from "./rows.tsx";
export { Secret } from "./secret.tsx";
export { Section, SettingsPage } from "./settings-page.tsx";
export { runLimitsQuery } from "./run-limits.ts";
export { useChange } from "./use-change.ts";
export { default as settingsStyles } from "./settings.module.css";
