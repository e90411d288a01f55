import * as cm from "./codemirror.js";

// How long after the last key the page is told.
const rest = 300;
const languages = [
  [/\.(m|c)?jsx?$/i, () => cm.javascript({ jsx: true })],
  [/\.(m|c)?tsx?$/i, () => cm.javascript({ jsx: true, typescript: true })],
  [/\.pyi?$/i, () => cm.python()],
  [/\.(json|jsonc|webmanifest)$/i, () => cm.json()],
  [/\.ya?ml$/i, () => cm.yaml()],
  [/\.(md|markdown)$/i, () => cm.markdown()],
  [/\.(html?|svg|xml)$/i, () => cm.html()],
  [/\.css$/i, () => cm.css()],
];
const { tags: t } = cm;
// The names of our own colours, so that a change of the theme needs nothing here.
const colours = cm.HighlightStyle.define([
  { tag: [t.keyword, t.modifier, t.operatorKeyword, t.tagName], color: "var(--primary)" },
  { tag: [t.string, t.special(t.string), t.regexp, t.attributeValue], color: "var(--green)" },
  { tag: [t.number, t.bool, t.null, t.atom, t.unit, t.color], color: "var(--amber)" },
  { tag: [t.propertyName, t.attributeName, t.definition(t.variableName), t.function(t.variableName), t.className, t.typeName], color: "var(--blue)" },
  { tag: [t.comment, t.meta, t.processingInstruction], color: "var(--muted)", fontStyle: "italic" },
  { tag: [t.heading, t.strong], fontWeight: "650" },
  { tag: t.emphasis, fontStyle: "italic" },
  { tag: [t.link, t.url], color: "var(--primary)", textDecoration: "underline" },
  { tag: t.invalid, color: "var(--red)" },
]);
const look = cm.EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "var(--surface)", fontSize: "12.5px", height: "100%" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--sunken)", color: "var(--muted)", borderRight: "1px solid var(--border-soft)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--hover)" },
  "&.cm-focused": { outline: "2px solid var(--primary)", outlineOffset: "-2px" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": { backgroundColor: "var(--primary-soft)" },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "var(--primary-soft)", outline: "1px solid var(--primary)" },
  ".cm-searchMatch": { backgroundColor: "var(--amber-soft)" },
  ".cm-panels": { backgroundColor: "var(--sunken)", color: "var(--text)" },
  ".cm-panels-bottom": { borderTop: "1px solid var(--border)" },
  ".cm-textfield, .cm-button": { color: "var(--text)", backgroundColor: "var(--surface)", backgroundImage: "none", border: "1px solid var(--input-border)", borderRadius: "6px" },
  ".cm-panel.cm-search label, .cm-textfield, .cm-button": { fontSize: "12px" },
  ".cm-panel.cm-search input[type=checkbox]": { width: "14px", height: "14px", minHeight: "0", verticalAlign: "-2px" },
  ".cm-foldPlaceholder": { backgroundColor: "var(--sunken)", color: "var(--muted)", border: "1px solid var(--border)" },
});

/** Edits a file's text in an element. The page is told of changes by its method Edited, as a stream: a message of its own may not be that large. */
export function mount(host, page, file) {
  return new View(host, page, file);
}

class View {
  constructor(host, page, { name, text, readOnly, label, hint, phrases }) {
    Object.assign(this, { page, waits: null, telling: Promise.resolve() });
    this.ends = text.includes("\r\n") ? "\r\n" : "\n"; // those of the file stay
    const indent = /^\t/m.test(text) ? "\t" : /\.py$/i.test(name) ? "    " : "  ";
    const language = languages.find(([pattern]) => pattern.test(name))?.[1]();
    this.view = new cm.EditorView({
      parent: host,
      doc: text,
      extensions: [
        cm.lineNumbers(), cm.foldGutter(), cm.history(), cm.drawSelection(), cm.indentOnInput(), cm.bracketMatching(), cm.search(),
        readOnly ? [] : [cm.highlightActiveLine(), cm.highlightActiveLineGutter()],
        // Tab indents; Escape before it gives it back to the page, so that nobody is kept in here.
        cm.keymap.of([...cm.defaultKeymap, ...cm.searchKeymap, ...cm.historyKeymap, ...cm.foldKeymap, ...(readOnly ? [] : [cm.indentWithTab])]),
        cm.indentUnit.of(indent),
        cm.EditorState.phrases.of(phrases),
        cm.EditorState.readOnly.of(readOnly),
        cm.EditorView.contentAttributes.of({ "aria-label": label, "aria-describedby": hint, tabindex: "0", spellcheck: "false", autocapitalize: "off" }),
        cm.EditorView.updateListener.of(update => { if (update.docChanged) this.#changed(); }),
        cm.EditorView.domEventHandlers({ blur: () => { void this.flush(); } }),
        cm.syntaxHighlighting(colours), look, language ?? [],
      ],
    });
    host.view = this; // for tests
  }

  /** Tells the page what it does not know yet, and waits until it knows. */
  flush() {
    if (this.waits !== null) {
      clearTimeout(this.waits);
      this.waits = null;
      const text = new TextEncoder().encode(this.view.state.doc.toString().replaceAll("\n", this.ends));
      this.telling = this.telling.then(() => this.page.invokeMethodAsync("Edited", DotNet.createJSStreamReference(text))).catch(() => { /* the page is left */ });
    }
    return this.telling;
  }

  dispose() {
    clearTimeout(this.waits);
    this.view.destroy();
  }

  #changed() {
    clearTimeout(this.waits);
    this.waits = setTimeout(() => this.flush(), rest);
  }
}
