import { FitAddon, Terminal } from "./xterm.js";
import { copy } from "../app.js";

const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("./xterm.css", import.meta.url).href;

/** Attaches a terminal to the markup of TerminalTab.razor; parts are found by data-term. */
export function mount(host, address, texts) {
  if (!style.isConnected) document.head.append(style);
  return new View(host, address, texts);
}

class View {
  constructor(host, address, texts) {
    Object.assign(this, { host, address, texts, socket: null });
    this.part = Object.fromEntries([...host.querySelectorAll("[data-term]")].map(e => [e.dataset.term, e]));
    this.ends = new AbortController();
    const { signal } = this.ends;
    this.part.open.addEventListener("click", () => this.#open(), { signal });
    this.part.end.addEventListener("click", () => this.socket?.close(1000), { signal });
    this.part.copy.addEventListener("click", () => this.#copy(), { signal });
    const font = getComputedStyle(host).getPropertyValue("--mono").trim() || "monospace";
    this.terminal = new Terminal({ fontFamily: font, fontSize: 13, scrollback: 5000, linkHandler: { activate() {} }, theme: { background: "#0d1117", foreground: "#e6edf3" } });
    this.fit = new FitAddon();
    this.terminal.loadAddon(this.fit);
    this.terminal.open(this.part.screen);
    this.fit.fit();
    const bytes = new TextEncoder();
    this.terminal.onData(text => this.#send(bytes.encode(text)));
    this.terminal.onBinary(text => this.#send(Uint8Array.from(text, c => c.charCodeAt(0))));
    this.terminal.onResize(({ cols, rows }) => this.#send(JSON.stringify({ resize: { columns: cols, rows } })));
    this.terminal.attachCustomKeyEventHandler(event => this.#key(event));
    this.resized = new ResizeObserver(() => this.fit.fit());
    this.resized.observe(this.part.screen);
    host.view = this; // for tests
  }

  /** What stands on the screen and above it. */
  textForTest() {
    const buffer = this.terminal.buffer.active;
    return Array.from({ length: buffer.length }, (_, i) => buffer.getLine(i)?.translateToString(true) ?? "").join("\n");
  }

  dispose() {
    this.ends.abort();
    this.resized.disconnect();
    this.socket?.close(1000);
    this.terminal.dispose();
  }

  #open() {
    if (this.socket) return;
    this.said = null;
    let opened = false;
    this.terminal.reset();
    const url = new URL(this.address, document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("columns", this.terminal.cols);
    url.searchParams.set("rows", this.terminal.rows);
    const socket = this.socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.#state("connecting");
    socket.onopen = () => { opened = true; this.#state("on"); this.#tellSize(); this.terminal.focus(); };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.said = JSON.parse(data);
      else this.terminal.write(new Uint8Array(data));
    };
    socket.onclose = event => {
      this.socket = null;
      if (this.ends.signal.aborted) return;
      const said = this.said;
      this.#state(said && "exit" in said ? "exit" : said?.end in this.texts ? said.end : !opened ? "refused" : event.wasClean ? "off" : "lost", said?.exit);
    };
  }

  #tellSize() { this.#send(JSON.stringify({ resize: { columns: this.terminal.cols, rows: this.terminal.rows } })); }

  #send(what) { if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(what); }

  #state(name, code) {
    this.part.state.textContent = this.texts[name].replace("{0}", code ?? "?");
    this.part.open.hidden = this.socket !== null;
    this.part.end.hidden = this.socket === null;
  }

  #key(event) {
    if (event.type !== "keydown") return true;
    if (event.key === "F6") { (this.part.open.hidden ? this.part.end : this.part.open).focus(); return false; }
    if (event.ctrlKey && event.shiftKey && event.code === "KeyC") { event.preventDefault(); this.#copy(); return false; }
    // The browser's own paste comes as an event of its own.
    return !(event.ctrlKey && event.code === "KeyV" && !event.altKey);
  }

  async #copy() {
    const text = this.terminal.getSelection();
    if (!text) return;
    this.part.state.textContent = await copy(text) ? this.texts.copied : this.texts["copy-failed"];
  }
}
