// What the playground asks of the browser: Ctrl+Enter, and requests that a person keeps here.
export function attach(root) {
  root.addEventListener("keydown", e => {
    if (e.key !== "Enter" || !(e.ctrlKey || e.metaKey)) return;
    e.preventDefault();
    // Leaving the field hands over what was typed; then the click comes after it.
    const field = document.activeElement;
    field?.blur?.();
    root.querySelector("[data-run]")?.click();
    field?.focus?.();
  });
}

export function load(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}

export function store(key, text) {
  try { localStorage.setItem(key, text); } catch { /* no place left, or not allowed */ }
}
