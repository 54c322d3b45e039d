import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { css } from "@codemirror/lang-css";
import { html } from "@codemirror/lang-html";
import { javascript } from "@codemirror/lang-javascript";
import { json } from "@codemirror/lang-json";
import { markdown } from "@codemirror/lang-markdown";
import { python } from "@codemirror/lang-python";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { search, searchKeymap } from "@codemirror/search";
import { EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const highlight = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.regexp], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
]);

const theme = EditorView.theme({
  "&": { height: "100%", color: "var(--ink)", backgroundColor: "var(--canvas)" },
  "&.cm-editor .cm-scroller": { font: "var(--code)", fontVariantLigatures: "none" },
  ".cm-gutters": { color: "var(--muted)", backgroundColor: "var(--raised)", border: "0" },
  ".cm-content": { caretColor: "var(--accent)" },
  ".cm-panels": { color: "var(--ink)", backgroundColor: "var(--raised)" },
});

const typescript = () => javascript({ typescript: true, jsx: true });
const languages: Readonly<Record<string, () => Extension>> = {
  cjs: javascript,
  css,
  html,
  js: javascript,
  json,
  jsx: typescript,
  md: markdown,
  mjs: javascript,
  py: python,
  ts: typescript,
  tsx: typescript,
};

/**
 * A browser that types over several lines joins them with inline styles, which the page's policy
 * refuses. So the editor replaces a selection itself.
 */
const replaceSelection = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { selection } = view.state;
    if (event.inputType !== "insertText" || event.data === null || view.composing || selection.main.empty) return false;
    if (view.state.readOnly) return false;
    event.preventDefault();
    view.dispatch(view.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
    return true;
  },
});

export interface EditorOptions {
  readonly host: HTMLElement;
  readonly path: string;
  readonly text: string;
  readonly isReadOnly: boolean;
  readonly onChange: (text: string) => void;
  readonly onSave: () => void;
}

/**
 * An editor in a shadow root, where its styles are constructed sheets: in the document they would
 * be a `<style>` element, which the page's policy forbids. Characters that would mislead a reader
 * are shown as such.
 */
export class Editor implements Disposable {
  readonly #view: EditorView;

  constructor({ host, path, text, isReadOnly, onChange, onSave }: EditorOptions) {
    const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    const language = languages[path.slice(path.lastIndexOf(".") + 1).toLowerCase()]?.() ?? [];
    const save = { key: "Mod-s", preventDefault: true, run: () => (onSave(), true) };
    this.#view = new EditorView({
      doc: text,
      parent: root,
      root,
      extensions: [
        lineNumbers(),
        history(),
        drawSelection(),
        highlightSpecialChars(),
        search({ top: true }),
        syntaxHighlighting(highlight),
        theme,
        language,
        replaceSelection,
        keymap.of([save, ...defaultKeymap, ...historyKeymap, ...searchKeymap]),
        EditorState.readOnly.of(isReadOnly),
        text.includes("\r\n") ? EditorState.lineSeparator.of("\r\n") : [],
        EditorView.contentAttributes.of({ "aria-label": "Content", tabindex: "0" }),
        EditorView.updateListener.of(({ docChanged }) => docChanged && onChange(this.text)),
      ],
    });
  }

  get text(): string {
    return this.#view.state.sliceDoc(); // with the line breaks of the file
  }

  [Symbol.dispose](): void {
    this.#view.destroy();
  }
}
