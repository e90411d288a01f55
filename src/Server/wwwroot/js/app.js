// Small services for the pages: theme, language, clipboard, shortcuts, focus. No page state lives here.
const root = document.documentElement;
const base = document.baseURI;

function setCookie(name, value) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${name}=${encodeURIComponent(value)}; path=${new URL(base).pathname}; max-age=31536000; samesite=lax${secure}`;
}

export function setTheme(theme) {
  root.dataset.theme = theme;
  setCookie("mcpcan-theme", theme);
}
export function toggleTheme() {
  const next = root.dataset.theme === "dark" ? "light" : "dark";
  setTheme(next);
  return next;
}
export function setLanguage(code) {
  setCookie("mcpcan-language", `c=${code}|uic=${code}`);
  location.reload();
}

/** What the server cannot know by itself. */
export function hello() {
  return { zone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC", theme: root.dataset.theme, shortcuts: shortcutsOn() };
}
export function ready() { root.dataset.ready = "1"; }

export async function copy(text) {
  try {
    if (navigator.clipboard && window.isSecureContext) { await navigator.clipboard.writeText(text); return true; }
  } catch { /* fall through to the way that works without the Clipboard API */ }
  const host = document.querySelector(".mud-dialog") || document.body; // inside a dialog, or its focus trap takes the focus back
  const area = Object.assign(document.createElement("textarea"), { value: text, readOnly: true });
  area.style.cssText = "position:fixed;left:-9999px;top:0";
  const before = document.activeElement;
  host.append(area);
  area.select();
  let done = false;
  try { done = document.execCommand("copy"); } catch { done = false; }
  area.remove();
  before?.focus?.();
  return done;
}

export function focus(selector) {
  const element = document.querySelector(selector);
  if (!element) return false;
  element.focus();
  element.scrollIntoView({ block: "nearest" });
  return true;
}
export function focusHeading() {
  if (!typing(document.activeElement ?? document.body)) document.querySelector("h1")?.focus();
}
export function focusFirstInvalid() { return focus('[aria-invalid="true"]'); }
export function guardLeaving(on) { window.onbeforeunload = on ? e => { e.preventDefault(); return ""; } : null; }

// Shortcuts. Single keys only outside of fields, and only when not switched off.
const typing = t => t.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName);
export function shortcutsOn() { return localStorage.getItem("mcpcan-shortcuts") !== "off"; }
export function setShortcuts(on) { localStorage.setItem("mcpcan-shortcuts", on ? "on" : "off"); }
let pending = "";
document.addEventListener("keydown", e => {
  if ((e.ctrlKey || e.metaKey) && !e.altKey && e.key.toLowerCase() === "k") {
    e.preventDefault();
    focus("#global-search");
    return;
  }
  menuKeys(e);
  tabKeys(e);
  if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || typing(e.target) || !shortcutsOn() || document.querySelector(".mud-dialog")) return;
  const key = pending + e.key;
  pending = "";
  if (key === "g") { pending = "g"; setTimeout(() => pending = "", 1200); return; }
  const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!target) return;
  e.preventDefault();
  if (typing(target)) target.focus(); else target.click();
});

function step(e, items, previous, next) {
  const at = items.indexOf(document.activeElement);
  const to = e.key === next ? at + 1 : e.key === previous ? at - 1 : e.key === "Home" ? 0 : e.key === "End" ? items.length - 1 : null;
  if (to === null || items.length === 0) return false;
  e.preventDefault();
  items[(to + items.length) % items.length].focus();
  return true;
}
function menuKeys(e) {
  const list = e.target.closest?.(".menu")?.querySelector(".menu-list");
  if (list) step(e, [...list.querySelectorAll('[role="menuitem"]')], "ArrowUp", "ArrowDown");
}
function tabKeys(e) {
  const list = e.target.closest?.('[role="tablist"]');
  if (list && step(e, [...list.querySelectorAll('[role="tab"]')], "ArrowLeft", "ArrowRight") && list.dataset.follow !== undefined) document.activeElement.click();
}

// Pages without a circuit (sign-in, set-up) use these buttons; the reconnect notice as well.
document.addEventListener("click", e => {
  const button = e.target.closest?.("[data-do]");
  if (!button) return;
  if (button.dataset.do === "theme") toggleTheme();
  else if (button.dataset.do === "language") setLanguage(button.dataset.value);
  else if (button.dataset.do === "reload") location.reload();
  else if (button.dataset.do === "retry") window.Blazor?.reconnect?.();
  else if (button.dataset.do === "show-password") {
    const input = document.getElementById(button.dataset.value);
    input.type = input.type === "password" ? "text" : "password";
    button.setAttribute("aria-pressed", input.type === "text");
  }
});

// Uploads go by XHR (not through the circuit) because only it reports progress.
const uploads = new Map();
export function upload(id, input, url, fields, headers, listener) {
  const file = input.files?.[0];
  if (!file) return;
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", file, file.name);
  const request = new XMLHttpRequest();
  uploads.set(id, request);
  let last = 0;
  request.upload.onprogress = e => {
    const now = performance.now();
    if (now - last > 150 || e.loaded === e.total) { last = now; listener.invokeMethodAsync("Progress", e.loaded, e.lengthComputable ? e.total : file.size); }
  };
  request.onload = () => { uploads.delete(id); listener.invokeMethodAsync("Done", request.status, request.responseText.slice(0, 200000)); };
  request.onerror = () => { uploads.delete(id); listener.invokeMethodAsync("Done", 0, ""); };
  request.onabort = () => { uploads.delete(id); listener.invokeMethodAsync("Done", -1, ""); };
  request.open("POST", new URL(url, base));
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.send(form);
}
export function cancelUpload(id) { uploads.get(id)?.abort(); }
export function fileOf(input) { const f = input.files?.[0]; return f ? { name: f.name, size: f.size } : null; }
export function dropInto(zone, input) {
  if (!zone) return; // the page was left meanwhile
  zone.addEventListener("dragover", e => { e.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", e => {
    e.preventDefault();
    zone.classList.remove("over");
    if (e.dataTransfer.files.length) { input.files = e.dataTransfer.files; input.dispatchEvent(new Event("change", { bubbles: true })); }
  });
}
